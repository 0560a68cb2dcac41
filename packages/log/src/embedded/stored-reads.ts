import { AegisError, type RangeOptions, type Storage, type StorageReader, type StorageSnapshot } from '@aegis/storage'

/** What a log asks of its storage, but for writing. */
export interface StoredReads extends StorageReader {
  snapshot(): StorageSnapshot
  compact(start: Uint8Array, end: Uint8Array): Promise<void>
}

export const closedError = (): AegisError => new AegisError('LOG_CLOSED', 'the log is closed: open it again')

/** The reads of a storage; one that is cut off by the close of the log says so. */
export function storedReads(storage: Storage): StoredReads {
  return {
    ...reads(storage),
    compact: (start, end) => storage.compact(start, end).catch(told),
    snapshot() {
      const snapshot = orClosed(() => storage.snapshot())
      const close = (): Promise<void> => snapshot.close()
      return { ...reads(snapshot), close, [Symbol.asyncDispose]: close }
    },
  }
}

const reads = (reader: StorageReader): StorageReader => ({
  get: key => reader.get(key).catch(told),
  getMany: keys => reader.getMany(keys).catch(told),
  getSync: key => orClosed(() => reader.getSync(key)),
  async *range(options?: RangeOptions) {
    try {
      yield* reader.range(options)
    } catch (error) {
      told(error)
    }
  },
})

function orClosed<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    return told(error)
  }
}

function told(error: unknown): never {
  throw AegisError.is(error, 'STORAGE_CLOSED') ? closedError() : error
}
