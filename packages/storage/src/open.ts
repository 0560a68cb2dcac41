import { type AbstractDatabase, abstractStore } from './abstract-store.ts'
import { AegisError } from './errors.ts'
import { readIdentity } from './identity.ts'
import { SequencedStorage } from './sequenced-storage.ts'
import type { Storage } from './storage.ts'

export interface LevelOptions {
  /** The folder of the database. It is created when it does not exist; it must be empty or a database of ours. */
  dataDir: string
  /**
   * Opens although acknowledged data is missing or a table is damaged. What is built on the data (offsets, versions, indexes) may then contradict
   * itself. Default false: `STORAGE_LOSS` or `STORAGE_CORRUPT`, and nothing in the folder is changed.
   */
  allowLoss?: boolean
  /** Whether a folder that is empty or not there becomes a new database. Default true; else it is `STORAGE_FORMAT`. */
  createIfMissing?: boolean
}

/**
 * Opens a LevelDB folder, or creates it.
 *
 * @throws AegisError `STORAGE_LOCKED` when it is open elsewhere, `STORAGE_FORMAT` when it is not a database of ours,
 * `STORAGE_LOSS` when acknowledged data is missing, `STORAGE_CORRUPT`, `STORAGE_IO`.
 */
export async function openLevel(options: LevelOptions): Promise<Storage> {
  if (typeof options?.dataDir !== 'string' || options.dataDir === '') {
    throw new AegisError('STORAGE_INVALID', `dataDir must be the path of a folder, not ${String(options?.dataDir)}`)
  }
  // Imported here, so that a program that uses only the memory storage loads neither the addon nor node:fs.
  const { openFolder } = await import('./level/open-folder.ts')
  const { dataDir, allowLoss = false, createIfMissing = true } = options
  return openFolder(dataDir, { allowLoss, createIfMissing })
}

/** A storage that lives as long as the process: for tests and browsers. */
export async function openMemory(): Promise<Storage> {
  const { MemoryLevel } = await import('memory-level')
  return openAbstract(new MemoryLevel<Uint8Array, Uint8Array>({ storeEncoding: 'view' }))
}

/**
 * Stores data in any abstract-level database; nothing else may write to it. Closing the storage closes the database.
 *
 * What it promises is what the database does: the lock, the check of the write-ahead logs and the proof that nothing
 * acknowledged is missing belong to {@link openLevel}.
 */
export async function openAbstract(db: AbstractDatabase): Promise<Storage> {
  await db.open()
  const store = abstractStore(db)
  return new SequencedStorage({ store, ...(await readIdentity(store)) })
}
