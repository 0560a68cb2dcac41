import { MemoryLevel } from 'memory-level'

import { abstractStore } from '../abstract-store.ts'
import type { StoredOperation } from '../arguments.ts'
import { AegisError } from '../errors.ts'
import { readIdentity } from '../identity.ts'
import { SequencedStorage } from '../sequenced-storage.ts'
import type { Storage } from '../storage.ts'
import { type Fault, Faults } from './faults.ts'
import { type DiskHead, faultyStore } from './faulty-store.ts'
import { type SeededRandom, seededRandom } from './seeded-random.ts'

export interface FaultyDiskOptions {
  /** The same seed and the same calls give the same faults. Default 1. */
  seed?: number
}

/**
 * A disk in memory that fails when it is told to, and the storages opened on it, one after the other: for tests of what
 * is built on a storage. The storage is the one that runs over LevelDB, with the same order, fencing and checksums.
 *
 * ```ts
 * const disk = new FaultyDisk({ seed: 7 })
 * const storage = await disk.open()
 * disk.fail({ at: 3, outcome: 'either' })     // the third commit from now on
 * …
 * await disk.powerCut()
 * const after = await disk.open()             // what was synced is there
 * ```
 */
export class FaultyDisk {
  readonly #random: SeededRandom
  readonly #faults: Faults
  /** What an open finds: key as text to key and value. */
  readonly #kept = new Map<string, readonly [key: Uint8Array, value: Uint8Array]>()
  /** Written since the last sync, in order: what a power cut takes. */
  #buffered: (readonly StoredOperation[])[] = []
  #operations = { read: 0, write: 0 }
  #head: DiskHead | undefined
  #storage: Storage | undefined

  constructor({ seed = 1 }: FaultyDiskOptions = {}) {
    this.#random = seededRandom(seed)
    this.#faults = new Faults(this.#random)
  }

  /** How many operations have begun. Commits that wait for one another share a write. */
  get operations(): { readonly read: number; readonly write: number } {
    return { ...this.#operations }
  }

  /**
   * Opens a storage with what is on the disk.
   * @throws AegisError `STORAGE_LOCKED` while another is open.
   */
  async open(): Promise<Storage> {
    if (this.#head !== undefined) throw new AegisError('STORAGE_LOCKED', 'This disk is already open; close its storage')
    const head: DiskHead = { writing: undefined, alive: true }
    this.#head = head
    const db = new MemoryLevel<Uint8Array, Uint8Array>({ storeEncoding: 'view' })
    await db.open()
    const store = abstractStore(db)
    const kept = Array.from(this.#kept.values(), ([key, value]) => ({ type: 'put' as const, key, value }))
    await store.write(kept, true)
    for (const operations of this.#buffered) await store.write(operations, false)
    const disk = {
      before: (operation: 'read' | 'write') => {
        this.#operations[operation]++
        return this.#faults.next(operation)
      },
      wait: () => this.#faults.wait(),
      tear: (operations: readonly StoredOperation[]) => {
        // The first operation is the commit counter; one of the user's at least is there, and one is not, if there are two.
        const torn = 2 + this.#random.integer(Math.max(1, operations.length - 2))
        return operations.slice(0, Math.min(torn, operations.length - 1))
      },
      stored: (operations: readonly StoredOperation[], sync: boolean) => this.#stored(operations, sync),
    }
    // A new disk gets its identity before faults can reach it.
    const format = async (operations: readonly StoredOperation[]) => {
      await store.write(operations, true)
      this.#stored(operations, true)
    }
    const identity = await readIdentity({ ...store, write: format })
    const release = async () => {
      if (this.#head === head) this.#head = undefined
    }
    this.#storage = new SequencedStorage({ store: faultyStore(store, head, disk), ...identity, release })
    return this.#storage
  }

  /** Makes an operation fail. Faults add up; each counts from the call. */
  fail(fault: Fault = {}): void {
    this.#faults.plan(fault)
  }

  /** Makes each operation take up to so many turns of the event loop, by the seed. */
  delay(maxTurns: number): void {
    this.#faults.delay(maxTurns)
  }

  /** No more faults and delays. A storage that was fenced stays so until it is opened again. */
  heal(): void {
    this.#faults.clear()
  }

  /**
   * The process dies: what was written is kept, a write in flight may be, by the seed. The storage is closed and its
   * promises are rejected.
   */
  async crash(): Promise<void> {
    await this.#stop()
  }

  /**
   * The machine dies: what was written since the last sync is gone, all of it or, with `keep: 'some'`, a part at the end
   * of it, by the seed.
   */
  async powerCut({ keep = 'synced' }: { keep?: 'synced' | 'some' } = {}): Promise<void> {
    await this.#stop()
    this.#buffered.splice(keep === 'synced' ? 0 : this.#random.integer(this.#buffered.length + 1))
    this.#settle()
  }

  async #stop(): Promise<void> {
    const head = this.#head
    if (head === undefined) return
    head.alive = false
    const { writing } = head
    if (writing !== undefined && this.#random.fraction() < 0.5) this.#stored(writing.operations, writing.sync)
    await this.#storage?.close()
  }

  #stored(operations: readonly StoredOperation[], sync: boolean): void {
    this.#buffered.push(operations)
    if (sync) this.#settle()
  }

  #settle(): void {
    for (const operations of this.#buffered.splice(0)) {
      for (const operation of operations) {
        const id = Buffer.from(operation.key).toString('latin1')
        if (operation.type === 'put') this.#kept.set(id, [operation.key, operation.value])
        else this.#kept.delete(id)
      }
    }
  }
}
