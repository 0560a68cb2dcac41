import type { StoredOperation } from './arguments.ts'
import { sizeOf } from './checked-reader.ts'
import { AegisError } from './errors.ts'
import { counterKey, encodeCounter } from './identity.ts'
import type { Medium } from './medium.ts'
import { PeriodicSync } from './periodic-sync.ts'
import type { Durability } from './storage.ts'
import { storageFailure } from './storage-failure.ts'

interface Waiting {
  readonly operations: StoredOperation[]
  readonly durability: Durability
  resolve(): void
  reject(error: unknown): void
}

/** Waiting commits are written together up to this size, so that one fsync serves them; more would only delay the first. */
const groupBytes = 4 << 20

/** Writes commits into a store, one at a time, in call order; nothing more after the first failure. */
export class WriteQueue {
  readonly #medium: Medium
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
  #failure: { readonly cause: unknown } | undefined

  constructor(medium: Medium) {
    this.#medium = medium
    this.#counter = medium.counter
    this.#written = medium.counter
    if (medium.flush !== undefined) this.#periodicSync = new PeriodicSync(() => this.#syncBuffered())
  }

  /** Why nothing is written any more, if so. */
  get fenced(): AegisError<'STORAGE_FENCED'> | undefined {
    if (this.#failure === undefined) return undefined
    const { cause } = this.#failure
    const { message } = storageFailure(cause, 'an earlier write')
    const advice = 'Its outcome is unknown; close the storage and open it again to find out'
    return new AegisError('STORAGE_FENCED', `Nothing is written any more: ${message}. ${advice}`, { cause })
  }

  add(operations: StoredOperation[], durability: Durability): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operations, durability, resolve, reject })
      this.#writing ??= this.#write()
    })
  }

  /** What waits is not written; what is being written is. */
  refuse(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  /** Resolves when all that was added before is durable. */
  async flush(): Promise<void> {
    if (this.#medium.flush === undefined) return this.add([], 'fsync')
    const flushing = this.#flushWritten()
    this.#flushing = Promise.allSettled([this.#flushing, flushing])
    await flushing
  }

  /** Resolves when nothing is being written any more, and what was is durable. */
  async close(): Promise<void> {
    await this.#writing
    await this.#periodicSync?.stop()
    await this.#flushing
    if (this.#failure === undefined && this.#unflushed) await this.#flushMedium()
  }

  /** Writes until nothing waits. Never rejects. */
  async #write(): Promise<void> {
    // Two batches handed to LevelDB at once are applied in the order of its threads, so one is in flight at a time.
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        await this.#writeGroup(group)
        // A sync of earlier commits that failed meanwhile: what rests on them is not acknowledged either.
        if (this.#failure !== undefined) throw this.#failure.cause
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
    await this.#medium.store.write(operations, durability === 'fsync')
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
    if (this.fenced !== undefined) throw this.fenced
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
    this.#failure = { cause }
    const error = storageFailure(cause, 'Writing a commit')
    for (const { reject } of failed) reject(error)
    this.refuse(this.fenced)
  }
}
