import type { StorageReader, StorageSnapshot } from '@aegis/storage'
import type { ReadSet } from '../recent-writes.ts'
import type { Sequencer } from '../sequencer.ts'
import { keyText } from '../stage.ts'
import type { StoredReads } from '../stored-reads.ts'

/** What a transaction has seen: a moment of the storage from its first read on, and what it has read of it. */
export class TransactionSnapshot {
  readonly #storage: StoredReads
  readonly #sequencer: Sequencer
  readonly #longest: number
  readonly #reads = { keys: new Set<string>(), ranges: [] as { gte: string; lt: string }[] } satisfies ReadSet
  #snapshot: StorageSnapshot | undefined
  #timer: NodeJS.Timeout | undefined
  #expired = false

  /** @param longest milliseconds after which it is given up, for the transaction may never end */
  constructor(storage: StoredReads, sequencer: Sequencer, longest: number) {
    this.#storage = storage
    this.#sequencer = sequencer
    this.#longest = longest
  }

  /** It was kept for too long, and is gone. */
  get expired(): boolean {
    return this.#expired
  }

  /** A key is read; gives its text. */
  readsKey(key: Uint8Array): string {
    const id = keyText(key)
    this.#reads.keys.add(id)
    return id
  }

  /** A range is read; gives the texts of its bounds. */
  readsRange({ gte, lt }: { readonly gte: Uint8Array; readonly lt: Uint8Array }): { gte: string; lt: string } {
    const range = { gte: keyText(gte), lt: keyText(lt) }
    this.#reads.ranges.push(range)
    return range
  }

  get reader(): StorageReader {
    if (this.#snapshot === undefined) {
      this.#sequencer.recent.remember(this)
      this.#snapshot = this.#storage.snapshot()
      this.#timer = setTimeout(() => this.#expire(), this.#longest)
      this.#timer.unref()
    }
    return this.#snapshot
  }

  /** Whether something of what was read has been written since. */
  get touched(): boolean {
    return this.#sequencer.recent.touched(this, this.#reads)
  }

  /** From now on the transaction decides when it ends. */
  keep(): void {
    clearTimeout(this.#timer)
  }

  async release(): Promise<void> {
    clearTimeout(this.#timer)
    this.#sequencer.recent.release(this)
    const snapshot = this.#snapshot
    this.#snapshot = undefined
    await snapshot?.close()
  }

  /** What is kept for those that hang would grow for ever. */
  #expire(): void {
    this.#expired = true
    // Closing a snapshot of a log that is closed meanwhile says nothing that anybody could use.
    this.release().catch(() => undefined)
  }
}
