import { createHash } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { AegisError } from '../errors.ts'

// LevelDB drops the operating system's lock when a second open in this process fails, so the guard comes before it.
// A socket cannot go stale, is refused across threads and processes, and is named by what the folder is, not by its path.
async function socketName(dataDir: string): Promise<string> {
  const { dev, ino } = await stat(dataDir, { bigint: true })
  const name = `aegis-${createHash('sha256').update(`${dev}/${ino}`).digest('hex').slice(0, 32)}`
  if (process.platform === 'linux') return `\0${name}`
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(dataDir, 'guard.sock')
}

/**
 * Takes a folder for this opener alone; returns what gives it back.
 * @throws AegisError `STORAGE_LOCKED` naming the folder and the process that has it
 */
export async function guardFolder(dataDir: string): Promise<() => Promise<void>> {
  const owner = join(dataDir, 'owner')
  const server = createServer()
  server.unref()
  const path = await socketName(dataDir)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ path, exclusive: true }, resolve)
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
      throw new AegisError('STORAGE_IO', `the folder ${dataDir} could not be guarded`, { cause: error })
    }
    const pid = Number(await readFile(owner, 'utf8').catch(() => 'NaN'))
    const who = pid === process.pid ? 'this process: open it once and give it to both' : `process ${pid}: stop that one, or use another folder`
    throw new AegisError('STORAGE_LOCKED', `the folder ${dataDir} is open in ${who}`, { cause: error, details: { dataDir, pid } })
  }
  await writeFile(owner, String(process.pid), { mode: 0o600 })
  return async () => {
    await rm(owner, { force: true })
    await new Promise(resolve => server.close(resolve))
  }
}
