import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * A file system of its own that is soon full; or why there can be none here: only root may mount, and in many containers
 * not even root.
 *
 * @param {string} size as mount takes it: `'16m'`
 * @returns {Promise<{ path: string, remove(): Promise<void> } | string>}
 */
export async function smallDisk(size) {
  if (process.platform !== 'linux') return 'mounting a small disk needs Linux'
  if (process.getuid?.() !== 0) return 'mounting a small disk needs root'
  const path = await mkdtemp(join(tmpdir(), 'aegis-small-disk-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'aegis-small-disk', path])
  } catch (error) {
    await rm(path, { recursive: true })
    return `mounting a small disk is not allowed here: ${error instanceof Error ? error.message : String(error)}`
  }
  return {
    path,
    async remove() {
      await run('umount', ['--lazy', path])
      await rm(path, { recursive: true })
    },
  }
}
