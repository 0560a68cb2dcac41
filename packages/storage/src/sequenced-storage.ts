import { checkedDurability, type StoredOperation, storedKey, storedOperation } from './arguments.ts'
import { CheckedReader, sizeOf } from './checked-reader.ts'
import { DamagedKeys, type KeyRange } from './damaged-keys.ts'
import { AegisError } from './errors.ts'
import { counterKey, encodeCounter } from './identity.ts'
import { PeriodicSync } from './periodic-sync.ts'
import { ScanProgress } from './scan-progress.ts'
import type {
  CommitOptions,
  Durability,
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

/** An open store and what has to happen around its commits. */
export interface Medium {
  readonly store: Store
  readonly databaseId: string
  /** Number of the last commit in it. */
  readonly counter: number
  /** Default false. */
  readonly readOnly?: boolean
  /** After a commit is in the database, before its promise resolves. A failure fences. */
  committed?(counter: number, durability: Durability): void | Promise<void>
  /** Makes everything up to this commit durable. Default: an empty synced commit. */
  flush?(counter: number): Promise<void>
  /** Checks the files of the database. Default: there are none. */
  verifyFiles?(options: FileScanOptions): Promise<Pick<StorageReport, 'files' | 'damage'>>
  /** After the database is closed. */
  release?(): Promise<void>
}

export interface FileScanOptions {
  signal?: AbortSignal | undefined
  /** Called after each file. */
  onFile?: (checked: number, of: number) => void
}

interface Waiting {
  readonly operations: StoredOperation[]
  readonly durability: Durability
  resolve(): void
  reject(error: unknown): void
}

/** Waiting commits are written together up to this size, so that one fsync serves them; more would only delay the first. */
const groupBytes = 4 << 20

/** A storage over a store: one commit at a time, in call order, fenced by the first failure. */
export class SequencedStorage implements Storage {
  readonly databaseId: string
  readonly #medium: Medium
  readonly #store: Store
  readonly #reader: CheckedReader
  readonly #damaged = new DamagedKeys()
  #status: StorageStatus = 'open'
  /** Of the last commit that was begun. */
  #counter: number
  /** Of the last commit that is in the database. */
  #written: number
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  /** Whether something was committed that no sync has covered. */
  #unflushed = false
  /** None where a sync does not make buffered commits durable. */
  readonly #periodicSync: PeriodicSync | undefined
  /** A close waits for it: what it syncs is gone afterwards. */
  #flushing: Promise<unknown> | undefined
  #failure: unknown
  #closed: Promise<void> | undefined

  constructor(medium: Medium) {
    this.#medium = medium
    this.#store = medium.store
    this.databaseId = medium.databaseId
    this.#counter = medium.counter
    this.#written = medium.counter
    this.#reader = new CheckedReader(medium.store, this.#damaged, () => this.#assertOpen())
    if (medium.flush !== undefined) this.#periodicSync = new PeriodicSync(() => this.#syncBuffered())
    if (medium.readOnly === true) this.#status = 'read-only'
  }

  get status(): StorageStatus {
    return this.#status
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
    await this.#enqueue(stored, durability)
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
    if (this.#medium.flush === undefined) return this.#enqueue([], 'fsync')
    const flushing = this.#flushWritten()
    this.#flushing = Promise.allSettled([this.#flushing, flushing])
    await flushing
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
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const writable = this.#status === 'open' || this.#status === 'damaged'
    this.#status = 'closing'
    try {
      await this.#writing
      await this.#periodicSync?.stop()
      await this.#flushing
      if (writable && this.#failure === undefined && this.#unflushed) await this.#flushMedium()
    } finally {
      try {
        await this.#store.close()
      } finally {
        await this.#medium.release?.()
        this.#status = 'closed'
      }
    }
  }

  #enqueue(operations: StoredOperation[], durability: Durability): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operations, durability, resolve, reject })
      this.#writing ??= this.#write()
    })
  }

  /** Writes until nothing waits. Never rejects. */
  async #write(): Promise<void> {
    // Two batches handed to LevelDB at once are applied in the order of its threads, so one is in flight at a time.
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        await this.#writeGroup(group)
        // A sync of earlier commits that failed meanwhile: what rests on them is not acknowledged either.
        if (this.#failure !== undefined) throw this.#failure
      } catch (error) {
        this.#fence(error, group)
        break
      }
      for (const { resolve } of group) resolve()
    }
    this.#writing = undefined
  }

  #nextGroup(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { operations } of this.#waiting) {
      for (const operation of operations) bytes += sizeOf(operation)
      if (count > 0 && bytes > groupBytes) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #writeGroup(group: Waiting[]): Promise<void> {
    const counter = this.#counter + 1
    const operations: StoredOperation[] = [{ type: 'put', key: counterKey, value: encodeCounter(counter) }]
    for (const commit of group) for (const operation of commit.operations) operations.push(operation)
    const durability = group.some(commit => commit.durability === 'fsync') ? 'fsync' : 'buffered'
    this.#counter = counter
    this.#unflushed ||= durability === 'buffered'
    await this.#store.write(operations, durability === 'fsync')
    await this.#medium.committed?.(counter, durability)
    this.#written = counter
    if (durability === 'buffered') this.#periodicSync?.later()
  }

  /** A failure fences; nobody waits for it who could be told otherwise. */
  async #syncBuffered(): Promise<boolean> {
    try {
      await this.#flushMedium()
    } catch {
      return false
    }
    return this.#unflushed
  }

  async #flushWritten(): Promise<void> {
    await this.#writing
    if (this.#failure !== undefined) throw this.#fencedError()
    await this.#flushMedium()
  }

  async #flushMedium(): Promise<void> {
    // Not that of a commit which is on its way: it may come behind the sync.
    const counter = this.#written
    try {
      await this.#medium.flush?.(counter)
    } catch (error) {
      this.#fence(error, [])
      throw storageFailure(error, 'Flushing')
    }
    if (counter === this.#counter) this.#unflushed = false
  }

  #fence(cause: unknown, failed: Waiting[]): void {
    this.#failure = cause
    if (this.#status === 'open') this.#status = 'fenced'
    const error = storageFailure(cause, 'Writing a commit')
    for (const { reject } of failed) reject(error)
    for (const { reject } of this.#waiting.splice(0)) reject(this.#fencedError())
  }

  #fencedError(): AegisError<'STORAGE_FENCED'> {
    const { message } = storageFailure(this.#failure, 'an earlier write')
    const advice = 'Its outcome is unknown; close the storage and open it again to find out'
    return new AegisError('STORAGE_FENCED', `Nothing is written any more: ${message}. ${advice}`, {
      cause: this.#failure,
    })
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
    if (this.#status === 'fenced') throw this.#fencedError()
    if (this.#status === 'read-only') {
      throw new AegisError('STORAGE_READ_ONLY', 'A backup is opened for reading; restore it to write to it')
    }
  }
}
