import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const source = fileURLToPath(new URL('../shim/synced-sizes.c', import.meta.url))

/**
 * Cuts the power of a process that was killed: each file loses what was not synced. Faithful for files that are only
 * appended to, as LevelDB's are; renames and deletions are taken to have reached the disk.
 */
export class PowerCut {
  readonly #shimDir: string
  readonly #journal: string
  #baseline = new Map<number, number>()

  private constructor(shimDir: string) {
    this.#shimDir = shimDir
    this.#journal = join(shimDir, 'synced')
  }

  /** Compiles the shim. Needs Linux and gcc; `undefined` without them. */
  static async prepare(): Promise<PowerCut | undefined> {
    if (process.platform !== 'linux') return undefined
    const shimDir = await mkdtemp(join(tmpdir(), 'aegis-power-cut-'))
    const cut = new PowerCut(shimDir)
    try {
      await promisify(execFile)('gcc', ['-shared', '-fPIC', '-O2', '-o', cut.#library, source, '-ldl'])
      return cut
    } catch (error) {
      await cut.remove()
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  get #library(): string {
    return join(this.#shimDir, 'synced-sizes.so')
  }

  get #bootId(): string {
    return join(this.#shimDir, 'boot-id')
  }

  /** What the environment of the process must have. */
  get environment(): Record<string, string> {
    return { LD_PRELOAD: this.#library, SYNCED_SIZES: this.#journal, BOOT_ID: this.#bootId }
  }

  /** Before the process starts: what is there now is on the disk. */
  async begin(dataDir: string): Promise<void> {
    await rm(this.#journal, { force: true })
    await writeFile(this.#bootId, `${randomUUID()}\n`)
    this.#baseline = new Map((await files(dataDir)).map(({ inode, size }) => [inode, size]))
  }

  /** After the process was killed. Returns how many bytes were lost. */
  async cut(dataDir: string): Promise<number> {
    const synced = new Map(this.#baseline)
    const journal = await readFile(this.#journal, 'utf8').catch(() => '')
    for (const line of journal.split('\n').slice(0, -1)) {
      const [inode = Number.NaN, size = Number.NaN] = line.split(' ').map(Number)
      synced.set(inode, size)
    }
    let lost = 0
    for (const { path, inode, size } of await files(dataDir)) {
      const kept = Math.min(size, synced.get(inode) ?? 0)
      lost += size - kept
      if (kept < size) await truncate(path, kept)
    }
    return lost
  }

  async remove(): Promise<void> {
    await rm(this.#shimDir, { recursive: true, force: true })
  }
}

async function files(dir: string): Promise<{ path: string; inode: number; size: number }[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true }).catch(() => [])
  const list = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return Promise.all(
    list.map(async path => ({ path, ...(await stat(path).then(({ ino, size }) => ({ inode: ino, size }))) })),
  )
}
