import { abstractStore } from '../abstract-store.ts'
import type { Store } from '../store.ts'
import { reusedBatch } from './reused-batch.ts'
import { paced, WritePace } from './write-pace.ts'

// Measured in docs/decisions/022-leveldb-options.md: commits with fsync are about twice as fast as with LevelDB's own
// write buffer of 4 MB, rows by key are read in two thirds of the time that an 8 MB cache allows. Small tables mostly hold
// one partition's newest batches, which nothing below them overlaps: they are moved down, not merged.
const writeBufferBytes = 64 << 20
const tableBytes = 8 << 20
const cacheBytes = 32 << 20

/**
 * The open LevelDB of a folder.
 *
 * `createIfMissing` is for new databases only: with it a lost CURRENT file makes LevelDB delete the old tables.
 */
export async function openDatabase(folder: string, createIfMissing: boolean): Promise<Store> {
  const { ClassicLevel } = await import('classic-level')
  const options = {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing,
    compression: true,
    writeBufferSize: writeBufferBytes,
    maxFileSize: tableBytes,
    cacheSize: cacheBytes,
  }
  const db = new ClassicLevel<Uint8Array, Uint8Array>(folder, options)
  await db.open()
  const store = abstractStore(db)
  const pace = new WritePace(
    () => Number(db.getProperty('leveldb.num-files-at-level0')),
    () => performance.now(),
  )
  return { ...store, write: paced(reusedBatch(db, store.write), pace) }
}
