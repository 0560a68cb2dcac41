import { storedKey, storedRange } from './arguments.ts'
import { checksumBytes, unseal } from './checksum.ts'
import type { DamagedKeys, OpenRange } from './damaged-keys.ts'
import { AegisError } from './errors.ts'
import type { Entry, RangeOptions, StorageReader } from './storage.ts'
import { storageFailure } from './storage-failure.ts'
import type { StoredRange, StoreReader } from './store.ts'

/** Reads a store, or a snapshot of it, and checks every value, and that nothing that was read may be hidden by damage. */
export class CheckedReader implements StorageReader {
  readonly #store: StoreReader
  readonly #damaged: DamagedKeys
  readonly #assertOpen: () => void

  constructor(store: StoreReader, damaged: DamagedKeys, assertOpen: () => void) {
    this.#store = store
    this.#damaged = damaged
    this.#assertOpen = assertOpen
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#assertOpen()
    const stored = storedKey(key)
    try {
      this.#assertSound(stored)
      const value = await this.#store.get(stored)
      this.#assertSound(stored)
      return value === undefined ? undefined : unseal(stored, value)
    } catch (error) {
      throw storageFailure(error, 'Reading a value')
    }
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#assertOpen()
    if (!Array.isArray(keys)) throw new AegisError('STORAGE_INVALID', 'keys must be an array of Uint8Array')
    const stored = keys.map(storedKey)
    try {
      for (const key of stored) this.#assertSound(key)
      const values = await this.#store.getMany(stored)
      for (const key of stored) this.#assertSound(key)
      return values.map((value, i) => (value === undefined ? undefined : unseal(stored[i]!, value)))
    } catch (error) {
      throw storageFailure(error, 'Reading values')
    }
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen()
    const stored = storedKey(key)
    try {
      this.#assertSound(stored)
      const value = this.#store.getSync(stored)
      return value === undefined ? undefined : unseal(stored, value)
    } catch (error) {
      throw storageFailure(error, 'Reading a value')
    }
  }

  range(options: RangeOptions = {}): AsyncIterable<readonly Entry[]> {
    this.#assertOpen()
    return this.#chunks(storedRange(options))
  }

  /** Before reading, for LevelDB may stop the process when it reads a damaged block, and after, for it may have been found meanwhile. */
  #assertSound(key: Uint8Array): void {
    this.#damaged.assertNone({ first: key, last: key })
  }

  async *#chunks(range: StoredRange): AsyncGenerator<readonly Entry[]> {
    this.#assertOpen()
    const { reverse, limit } = range
    let iterator
    try {
      iterator = this.#store.iterate(range)
      let chunk: Entry[] = []
      let bytes = 0
      let count = 0
      let rest: OpenRange = {
        first: 'gte' in range ? range.gte : range.gt,
        last: 'lte' in range ? range.lte : range.lt,
      }
      for (;;) {
        const found = await iterator.next()
        const reached = found.at(-1)?.[0]
        count += found.length
        // At its end nothing may be hidden up to its bound; behind the limit nothing is asked for.
        if (reached !== undefined || count !== limit) {
          this.#damaged.assertNone({ ...rest, ...(reached && (reverse ? { first: reached } : { last: reached })) })
        }
        rest = reverse ? { first: rest.first, last: reached } : { first: reached, last: rest.last }
        for (const [key, value] of found) {
          bytes += key.length + value.length
          chunk.push([key.subarray(1), unseal(key, value)])
        }
        if (found.length > 0 && bytes < range.chunkBytes) continue
        if (chunk.length > 0) yield chunk
        if (found.length === 0) return
        chunk = []
        bytes = 0
      }
    } catch (error) {
      throw storageFailure(error, 'Reading a range')
    } finally {
      await iterator?.close()
    }
  }
}

/** What an operation adds to a commit, roughly. */
export function sizeOf(operation: { key: Uint8Array; value?: Uint8Array }): number {
  return operation.key.length + (operation.value?.length ?? 0) + checksumBytes
}
