import { crc32c } from '@node-rs/crc32'
import type { AbstractLevel } from 'abstract-level'
import { AegisError } from './errors.ts'
import type { CommitOptions, Entry, Operation, RangeOptions, Storage, StorageSnapshot, StorageStatus } from './storage.ts'

export type BinaryLevel = AbstractLevel<Uint8Array, Uint8Array, Uint8Array>

const asBytes = { keyEncoding: 'view', valueEncoding: 'view' } as const

function sealed(key: Uint8Array, value: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(value.length + 4)
  out.set(value)
  out.writeUInt32BE(crc32c(value, crc32c(key)), value.length)
  return out
}

function opened(key: Uint8Array, stored: Uint8Array): Uint8Array {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length)
  const value = bytes.subarray(0, -4)
  if (bytes.length < 4 || bytes.readUInt32BE(bytes.length - 4) !== crc32c(value, crc32c(key))) {
    const name = Buffer.from(key).toString('hex').slice(0, 80)
    throw new AegisError('STORAGE_CORRUPT', `the value of key ${name} does not have its checksum: restore a backup`)
  }
  return value
}

const damage = (error: unknown): AegisError => {
  const cause = error as { code?: string; cause?: { code?: string } }
  const code = cause.cause?.code ?? cause.code
  if (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN') {
    return new AegisError('STORAGE_CLOSED', 'the storage is closed: open it again', { cause: error })
  }
  return code === 'LEVEL_CORRUPTION'
    ? new AegisError('STORAGE_CORRUPT', 'the database is damaged: restore a backup', { cause: error })
    : new AegisError('STORAGE_IO', `the database could not be read: ${String((error as Error).message)}`, { cause: error })
}

/** The storage over any abstract-level database: a checksum on every value, and no writing after a failed write. */
export class CheckedStorage implements Storage {
  readonly databaseId: string
  readonly #level: BinaryLevel
  readonly #released: () => Promise<void>
  #status: StorageStatus = 'open'
  #last: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  constructor(level: BinaryLevel, databaseId: string, released: () => Promise<void>) {
    this.#level = level
    this.databaseId = databaseId
    this.#released = released
  }

  get status(): StorageStatus {
    return this.#status
  }

  get = (key: Uint8Array): Promise<Uint8Array | undefined> => this.#get(key, {})
  getMany = (keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> => this.#getMany(keys, {})

  getSync(key: Uint8Array): Uint8Array | undefined {
    this.#check()
    const stored = this.#level.getSync(key, asBytes)
    return stored === undefined ? undefined : opened(key, stored)
  }

  range(options: RangeOptions = {}): AsyncIterable<readonly Entry[]> {
    return this.#range(options, {})
  }

  commit(operations: readonly Operation[], { durability = 'fsync' }: CommitOptions = {}): Promise<void> {
    const batch = operations.map(operation =>
      operation.type === 'put'
        ? { type: 'put' as const, key: operation.key, value: sealed(operation.key, operation.value) }
        : { type: 'del' as const, key: operation.key },
    )
    const done = this.#last.then(async () => {
      this.#check()
      if (this.#status === 'fenced') {
        throw new AegisError('STORAGE_FENCED', 'an earlier write failed and its outcome is unknown: close the storage and open it again')
      }
      try {
        await this.#level.batch(batch, { ...asBytes, sync: durability === 'fsync' } as object)
      } catch (error) {
        this.#status = 'fenced'
        throw new AegisError('STORAGE_IO', `a write failed: ${String((error as Error).cause ?? error)}`, { cause: error })
      }
    })
    this.#last = done.catch(() => undefined)
    return done
  }

  snapshot(): StorageSnapshot {
    this.#check()
    const snapshot = this.#level.snapshot()
    const close = (): Promise<void> => snapshot.close()
    return {
      get: key => this.#get(key, { snapshot }),
      getMany: keys => this.#getMany(keys, { snapshot }),
      getSync: key => {
        const stored = this.#level.getSync(key, { ...asBytes, snapshot })
        return stored === undefined ? undefined : opened(key, stored)
      },
      range: (options = {}) => this.#range(options, { snapshot }),
      close,
      [Symbol.asyncDispose]: close,
    }
  }

  /** A write with fsync makes the earlier ones of the same write-ahead log durable. */
  flush(): Promise<void> {
    return this.commit([{ type: 'put', key: Uint8Array.of(0), value: new Uint8Array() }])
  }

  async approximateSize(start: Uint8Array, end: Uint8Array): Promise<number> {
    const level = this.#level as BinaryLevel & { approximateSize?(start: Uint8Array, end: Uint8Array, options: object): Promise<number> }
    return (await level.approximateSize?.(start, end, asBytes)) ?? 0
  }

  async compact(start: Uint8Array, end: Uint8Array): Promise<void> {
    const level = this.#level as BinaryLevel & { compactRange?(start: Uint8Array, end: Uint8Array, options: object): Promise<void> }
    await level.compactRange?.(start, end, asBytes)
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#last
      this.#status = 'closing'
      await this.#level.close()
      this.#status = 'closed'
      await this.#released()
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #check(): void {
    if (this.#status === 'closing' || this.#status === 'closed') {
      throw new AegisError('STORAGE_CLOSED', 'the storage is closed: open it again')
    }
  }

  async #get(key: Uint8Array, options: object): Promise<Uint8Array | undefined> {
    return (await this.#getMany([key], options))[0]
  }

  async #getMany(keys: readonly Uint8Array[], options: object): Promise<(Uint8Array | undefined)[]> {
    this.#check()
    const stored = await this.#level.getMany([...keys], { ...asBytes, ...options }).catch((error: unknown) => {
      throw damage(error)
    })
    return stored.map((value, at) => (value === undefined ? undefined : opened(keys[at]!, value)))
  }

  async *#range({ chunkBytes = 1_000_000, limit = -1, ...bounds }: RangeOptions, options: object): AsyncGenerator<readonly Entry[]> {
    this.#check()
    const iterator = this.#level.iterator({ ...asBytes, ...bounds, limit, highWaterMarkBytes: chunkBytes, ...options } as object)
    try {
      for (;;) {
        const entries = await iterator.nextv(1000).catch((error: unknown) => {
          throw damage(error)
        })
        if (entries.length === 0) return
        yield entries.map(([key, value]) => [key as unknown as Uint8Array, opened(key as unknown as Uint8Array, value as unknown as Uint8Array)] as const)
      }
    } finally {
      await iterator.close()
    }
  }
}
