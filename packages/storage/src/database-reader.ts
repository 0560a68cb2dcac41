import type { AbstractSnapshot } from 'abstract-level'

import { storedKey, storedRange } from './arguments.ts'
import { checksumBytes, unseal } from './checksum.ts'
import { AegisError } from './errors.ts'
import { binary } from './identity.ts'
import type { AbstractDatabase } from './open.ts'
import type { Entry, RangeOptions, StorageReader } from './storage.ts'
import { storageFailure } from './storage-failure.ts'

/** Reads a database, or a snapshot of it, and checks every value. */
export class DatabaseReader implements StorageReader {
  readonly #db: AbstractDatabase
  readonly #options: object
  readonly #assertOpen: () => void
  /** Entries asked for at once. LevelDB bounds them by bytes itself; others cannot. */
  readonly #step: number

  constructor(db: AbstractDatabase, assertOpen: () => void, snapshot?: AbstractSnapshot) {
    this.#db = db
    this.#options = snapshot === undefined ? binary : { ...binary, snapshot }
    this.#assertOpen = assertOpen
    this.#step = 'compactRange' in db ? 16_384 : 32
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#assertOpen()
    const stored = storedKey(key)
    try {
      const value = await this.#db.get(stored, this.#options)
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
      const values: (Uint8Array | undefined)[] = await this.#db.getMany(stored, this.#options)
      return values.map((value, i) => (value === undefined ? undefined : unseal(stored[i]!, value)))
    } catch (error) {
      throw storageFailure(error, 'Reading values')
    }
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen()
    const stored = storedKey(key)
    if ((this.#db.supports as { getSync?: boolean }).getSync !== true) {
      throw new AegisError('STORAGE_INVALID', 'This database cannot read synchronously; use get()')
    }
    try {
      const value: Uint8Array | undefined = this.#db.getSync(stored, this.#options)
      return value === undefined ? undefined : unseal(stored, value)
    } catch (error) {
      throw storageFailure(error, 'Reading a value')
    }
  }

  range(options: RangeOptions = {}): AsyncIterable<readonly Entry[]> {
    this.#assertOpen()
    return this.#chunks(storedRange(options))
  }

  async *#chunks({ chunkBytes, ...range }: ReturnType<typeof storedRange>): AsyncGenerator<readonly Entry[]> {
    this.#assertOpen()
    let iterator
    try {
      iterator = this.#db.iterator({ ...range, ...this.#options, highWaterMarkBytes: chunkBytes } as object)
      let chunk: Entry[] = []
      let bytes = 0
      for (;;) {
        const found = (await iterator.nextv(this.#step)) as [Uint8Array, Uint8Array][]
        for (const [key, value] of found) {
          bytes += key.length + value.length
          chunk.push([key.subarray(1), unseal(key, value)])
        }
        if (found.length > 0 && bytes < chunkBytes) continue
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
