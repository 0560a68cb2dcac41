import { mkdir, readFile, realpath, unlink, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import { AegisError } from '../errors.ts'
import { storageFailure } from '../storage-failure.ts'
import { holdFolder } from './guard.ts'
import { syncFolder } from './marker.ts'

/** For the message of a second opener only; the guard decides. */
const ownerFile = 'aegis.pid'

/** Gives a folder back. */
export type Release = () => Promise<void>

/**
 * Holds a folder while `open` opens something in it, and then until `release` is called.
 *
 * @param make whether to make it if it is not there
 * @throws AegisError `STORAGE_LOCKED` when another holds it.
 */
export async function ownFolder<Opened>(
  path: string,
  make: boolean,
  open: (folder: string, release: Release) => Promise<Opened>,
): Promise<Opened> {
  let release: Release | undefined
  try {
    if (make) await makeFolder(path)
    const folder = await realpath(path)
    const letGo = await holdFolder(folder)
    if (letGo === undefined) throw await lockedError(folder)
    release = async () => {
      await unlink(join(folder, ownerFile)).catch(() => undefined)
      await letGo()
    }
    return await open(folder, release)
  } catch (error) {
    await release?.()
    throw storageFailure(error, `Opening ${path}`)
  }
}

export function writeOwner(folder: string): Promise<void> {
  return writeFile(join(folder, ownerFile), `${process.pid}\n`, { mode: 0o600 })
}

/** LevelDB makes its files readable for everyone, so the folder keeps others out. */
async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  // A folder whose name is not on the disk is gone after a power cut, with all that was synced in it.
  for (let made = resolve(path); ; made = dirname(made)) {
    await syncFolder(dirname(made))
    if (made === resolve(first) || made === dirname(made)) return
  }
}

async function lockedError(folder: string): Promise<AegisError<'STORAGE_LOCKED'>> {
  const owner = Number.parseInt(await readFile(join(folder, ownerFile), 'utf8').catch(() => ''), 10)
  const what =
    owner === process.pid
      ? `The folder ${folder} is already open in this process (${owner}). Open it once and give it to both users.`
      : `The folder ${folder} is open in ${Number.isNaN(owner) ? 'another process' : `process ${owner}`}. ` +
        'One folder belongs to one process: close it there, or use another folder.'
  return new AegisError('STORAGE_LOCKED', what, {
    details: { folder, processId: Number.isNaN(owner) ? undefined : owner },
  })
}
