import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

/**
 * What the process has in memory, in MB, after collecting garbage and giving its buffers time to be freed. Where the system
 * tells, without the files that LevelDB has mapped to read them: the system takes those pages back as it likes.
 */
export async function resident(): Promise<number> {
  globalThis.gc?.()
  await setTimeout(100)
  globalThis.gc?.()
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const own = /RssAnon:\s+(\d+) kB/.exec(status)?.[1]
  return own === undefined ? process.memoryUsage.rss() / 1e6 : Number(own) / 1e3
}
