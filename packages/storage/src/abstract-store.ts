import type { AbstractLevel, AbstractSnapshot } from 'abstract-level'

import type { StoredOperation } from './arguments.ts'
import { AegisError } from './errors.ts'
import type { Store, StoredEntry, StoredRange, StoreIterator, StoreReader, StoreSnapshot } from './store.ts'

/** Any database of the abstract-level family whose keys are ordered by bytes. */
// biome-ignore lint/suspicious/noExplicitAny: any format, key and value type; the storage names its own encodings on every call
export type AbstractDatabase = AbstractLevel<any, any, any>

const binary = { keyEncoding: 'view', valueEncoding: 'view' } as const

/** What LevelDB has beyond the family. */
interface Measured {
  approximateSize(start: Uint8Array, end: Uint8Array, options: object): Promise<number>
  compactRange(start: Uint8Array, end: Uint8Array, options: object): Promise<void>
}

const isMeasured = (db: object): db is Measured => 'approximateSize' in db && 'compactRange' in db

/** An open database of the abstract-level family as a store. */
export function abstractStore(db: AbstractDatabase): Store {
  const measured = isMeasured(db) ? db : undefined
  return {
    ...reader(db),
    write(operations: StoredOperation[], sync) {
      const options: object = { ...binary, sync }
      return db.batch(operations, options)
    },
    snapshot(): StoreSnapshot {
      const snapshot = db.snapshot()
      return { ...reader(db, snapshot), close: () => snapshot.close() }
    },
    approximateSize: async (start, end) => (await measured?.approximateSize(start, end, binary)) ?? 0,
    compact: async (start, end) => measured?.compactRange(start, end, binary),
    close: () => db.close(),
  }
}

function reader(db: AbstractDatabase, snapshot?: AbstractSnapshot): StoreReader {
  const options = snapshot === undefined ? binary : { ...binary, snapshot }
  // LevelDB bounds what it returns at once by bytes itself; others cannot.
  const step = isMeasured(db) ? 16_384 : 32
  // Newer than the types of the manifest.
  const supports: object = db.supports
  const readsSync = 'getSync' in supports && supports.getSync === true
  return {
    get: (key): Promise<Uint8Array | undefined> => db.get(key, options),
    getMany: (keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]> => db.getMany(keys, options),
    getSync(key): Uint8Array | undefined {
      if (!readsSync) {
        throw new AegisError('STORAGE_INVALID', 'This database cannot read synchronously; use get()')
      }
      return db.getSync(key, options)
    },
    iterate({ chunkBytes, ...range }: StoredRange): StoreIterator {
      const all: object = { ...range, ...options, highWaterMarkBytes: chunkBytes }
      const iterator = db.iterator(all)
      return {
        next: (): Promise<StoredEntry[]> => iterator.nextv(step),
        close: () => iterator.close(),
      }
    },
  }
}
