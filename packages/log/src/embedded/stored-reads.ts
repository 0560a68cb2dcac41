import {
  AegisError,
  type Operation,
  type RangeOptions,
  type Storage,
  type StorageReader,
  type StorageSnapshot,
} from '@aegis/storage'
import { keyText } from './stage.ts'

/** What a log asks of its storage, but for writing. */
export interface StoredReads extends StorageReader {
  snapshot(): StorageSnapshot
  compact(start: Uint8Array, end: Uint8Array): Promise<void>
}

/** A commit that is on its way into storage. */
interface InFlight {
  readonly writes: ReadonlyMap<string, Operation>
  readonly durable: Promise<void>
}

export const closedError = (): AegisError => new AegisError('LOG_CLOSED', 'the log is closed: open it again')

/**
 * The reads of a storage; one that is cut off by the close of the log says so. LevelDB shows a commit a moment before the log hears
 * that it is done, and shows its records: who reads what such a commit has written waits for that moment, so that everything of a
 * commit shows at once.
 */
export function storedReads(storage: Storage, inFlight: () => InFlight | undefined): StoredReads {
  return {
    ...reads(storage, inFlight),
    compact: (start, end) => storage.compact(start, end).catch(told),
    snapshot() {
      const snapshot = orClosed(() => storage.snapshot())
      const close = (): Promise<void> => snapshot.close()
      return { ...reads(snapshot, inFlight), close, [Symbol.asyncDispose]: close }
    },
  }
}

function reads(reader: StorageReader, inFlight: () => InFlight | undefined): StorageReader {
  const once = <T>(value: T, isOf: (commit: InFlight) => boolean): T | Promise<T> => {
    const commit = inFlight()
    if (commit === undefined || !isOf(commit)) return value
    const same = (): T => value
    return commit.durable.then(same, same)
  }
  return {
    get: key => reader.get(key).then(value => once(value, commit => hasWritten(commit, key, value)), told),
    getMany: keys =>
      reader
        .getMany(keys)
        .then(values => once(values, commit => keys.some((key, at) => hasWritten(commit, key, values[at]))), told),
    getSync: key => orClosed(() => reader.getSync(key)),
    async *range(options: RangeOptions = {}) {
      try {
        let first = true
        for await (const entries of reader.range(options)) {
          if (first) await once(undefined, commit => writesWithin(commit, options))
          first = false
          yield entries
        }
      } catch (error) {
        told(error)
      }
    },
  }
}

/** Whether a value that was read may be the one of the commit. */
function hasWritten({ writes }: InFlight, key: Uint8Array, value: Uint8Array | undefined): boolean {
  const operation = writes.get(keyText(key))
  if (operation === undefined) return false
  if (operation.type === 'delete') return value === undefined
  return value !== undefined && Buffer.compare(operation.value, value) === 0
}

function writesWithin({ writes }: InFlight, { gte, gt, lte, lt }: RangeOptions): boolean {
  const from = keyText(gte ?? gt ?? new Uint8Array())
  const end = lte ?? lt
  const to = end === undefined ? undefined : keyText(end)
  for (const id of writes.keys()) if (id >= from && (to === undefined || id <= to)) return true
  return false
}

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
