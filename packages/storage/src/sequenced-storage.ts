import { checkedDurability, storedKey, storedOperation } from './arguments.ts'
import { CheckedReader } from './checked-reader.ts'
import { DamagedKeys, type KeyRange } from './damaged-keys.ts'
import { AegisError } from './errors.ts'
import type { Medium } from './medium.ts'
import { ScanProgress } from './scan-progress.ts'
import type {
  CommitOptions,
  Entry,
  Operation,
  RangeOptions,
  Storage,
  StorageReport,
  StorageSnapshot,
  StorageStatus,
  VerifyOptions,
} from './storage.ts'
import { closedError, storageFailure } from './storage-failure.ts'
import type { Store } from './store.ts'
import { verifyValues } from './verify-values.ts'
import { WriteQueue } from './write-queue.ts'

/** A storage over a store: one commit at a time, in call order, fenced by the first failure. */
export class SequencedStorage implements Storage {
  readonly databaseId: string
  readonly #medium: Medium
  readonly #store: Store
  readonly #reader: CheckedReader
  readonly #damaged = new DamagedKeys()
  #status: StorageStatus = 'open'
  readonly #queue: WriteQueue
  #closed: Promise<void> | undefined

  constructor(medium: Medium) {
    this.#medium = medium
    this.#store = medium.store
    this.databaseId = medium.databaseId
    this.#queue = new WriteQueue(medium)
    this.#reader = new CheckedReader(medium.store, this.#damaged, () => this.#assertOpen())
    if (medium.readOnly === true) this.#status = 'read-only'
  }

  get status(): StorageStatus {
    return this.#status === 'open' && this.#queue.fenced !== undefined ? 'fenced' : this.#status
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#reader.get(key)
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#reader.getMany(keys)
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    return this.#reader.getSync(key)
  }

  range(options?: RangeOptions): AsyncIterable<readonly Entry[]> {
    return this.#reader.range(options)
  }

  async commit(operations: readonly Operation[], options?: CommitOptions): Promise<void> {
    this.#assertWritable()
    if (!Array.isArray(operations)) throw new AegisError('STORAGE_INVALID', 'operations must be an array')
    const durability = checkedDurability(options)
    // Copied before anything is awaited: the caller may reuse its buffers at once.
    const stored = operations.map(storedOperation)
    await this.#queue.add(stored, durability)
  }

  snapshot(): StorageSnapshot {
    this.#assertOpen()
    const snapshot = this.#store.snapshot()
    let open = true
    const reader = new CheckedReader(snapshot, this.#damaged, () => {
      this.#assertOpen()
      if (!open) throw closedError('snapshot')
    })
    const close = async () => {
      open = false
      await snapshot.close()
    }
    return {
      get: key => reader.get(key),
      getMany: keys => reader.getMany(keys),
      getSync: key => reader.getSync(key),
      range: options => reader.range(options),
      close,
      [Symbol.asyncDispose]: close,
    }
  }

  async flush(): Promise<void> {
    this.#assertWritable()
    await this.#queue.flush()
  }

  async approximateSize(start: Uint8Array, end: Uint8Array): Promise<number> {
    this.#assertOpen()
    const from = storedKey(start)
    const to = storedKey(end)
    try {
      return await this.#store.approximateSize(from, to)
    } catch (error) {
      throw storageFailure(error, 'Measuring a range')
    }
  }

  async compact(start: Uint8Array, end: Uint8Array): Promise<void> {
    this.#assertOpen()
    this.#assertUndamaged()
    const from = storedKey(start)
    const to = storedKey(end)
    try {
      await this.#store.compact(from, to)
    } catch (error) {
      throw storageFailure(error, 'Compacting')
    }
  }

  async verify({ onProgress, signal, values: compareValues = true }: VerifyOptions = {}): Promise<StorageReport> {
    this.#assertOpen()
    if (typeof compareValues !== 'boolean') {
      throw new AegisError('STORAGE_INVALID', `values must be true or false, not ${String(compareValues)}`)
    }
    // Files are read as they are, values through LevelDB, which takes longer.
    const filesPart = compareValues ? 0.1 : 1
    const onFile = (checked: number, of: number) =>
      onProgress?.({ entries: 0, bytes: 0, fraction: (filesPart * checked) / of })
    const { files, damage } = (await this.#medium.verifyFiles?.({ signal, onFile })) ?? { files: 0, damage: [] }
    this.#assertOpen()
    const progress = new ScanProgress(this, onProgress, files === 0 ? 0 : filesPart)
    // LevelDB may stop the whole process, by an assertion, when it reads a damaged block.
    const values = damage.length > 0 || !compareValues ? [] : await verifyValues(this.#store, progress, signal)
    progress.done()
    return { entries: progress.entries, bytes: progress.bytes, files, damage: [...damage, ...values] }
  }

  /**
   * Damage was found that may hide keys. Nothing is written any more: what would be decided on may not be all there is, and
   * LevelDB copies what it can still read of a damaged table into a new one, which then looks sound.
   */
  damaged(keys: KeyRange, error: AegisError): void {
    if (this.#status === 'closing' || this.#status === 'closed') return
    this.#damaged.add(keys, error)
    this.#status = 'damaged'
    this.#queue.refuse(error)
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#status = 'closing'
    try {
      await this.#queue.close()
    } finally {
      try {
        await this.#store.close()
      } finally {
        await this.#medium.release?.()
        this.#status = 'closed'
      }
    }
  }

  #assertOpen(): void {
    if (this.#status === 'closing' || this.#status === 'closed') throw closedError('storage')
  }

  #assertUndamaged(): void {
    const { error } = this.#damaged
    if (error !== undefined) throw error
  }

  #assertWritable(): void {
    this.#assertOpen()
    this.#assertUndamaged()
    const { fenced } = this.#queue
    if (fenced !== undefined) throw fenced
    if (this.#status === 'read-only') {
      throw new AegisError('STORAGE_READ_ONLY', 'A backup is opened for reading; restore it to write to it')
    }
  }
}
