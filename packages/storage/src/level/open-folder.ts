import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { AegisError } from '../errors.ts'
import { readIdentity } from '../identity.ts'
import { SequencedStorage } from '../sequenced-storage.ts'
import { storageFailure } from '../storage-failure.ts'
import type { Storage } from '../storage.ts'
import { openDatabase } from './database.ts'
import { guardFolder } from './folder-guard.ts'
import { checkFolder, writeMarker } from './marker.ts'

async function openGuarded(folder: string, release: () => Promise<void>): Promise<Storage> {
  const marker = await checkFolder(folder)
  const db = await openDatabase(folder, !marker.complete)
  try {
    if (!marker.complete) await writeMarker(folder, { ...marker, complete: true })
    return new SequencedStorage({ db, ...(await readIdentity(db)), release })
  } catch (error) {
    await db.close()
    throw error
  }
}

/** Guards the folder first: LevelDB must never see one that another opener has. */
export async function openFolder(dataDir: string): Promise<Storage> {
  const folder = resolve(dataDir)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const release = await guardFolder(folder)
  try {
    return await openGuarded(folder, release)
  } catch (error) {
    await release()
    throw AegisError.is(error) ? error : storageFailure(error, `Opening ${folder}`)
  }
}
