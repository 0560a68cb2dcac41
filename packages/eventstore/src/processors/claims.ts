import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'

const running = new WeakMap<Log, Set<string>>()

/**
 * Claims names on a log until the returned function is called: two of one name would do the work of one twice.
 * @throws AegisError `EVENT_PROCESSOR_RUNNING`
 */
export function claim(log: Log, names: readonly string[]): () => void {
  let held = running.get(log)
  if (held === undefined) running.set(log, (held = new Set()))
  const claimed: string[] = []
  const release = (): void => {
    for (const name of claimed) held.delete(name)
  }
  for (const name of names) {
    if (held.has(name)) {
      release()
      throw new AegisError(
        'EVENT_PROCESSOR_RUNNING',
        `${name} is running on this log already: close it first, or give another name`,
      )
    }
    held.add(name)
    claimed.push(name)
  }
  return release
}
