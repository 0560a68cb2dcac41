import { setTimeout } from 'node:timers/promises'

import type { StoredOperation } from '../arguments.ts'
import { sizeOf } from '../checked-reader.ts'
import type { Store } from '../store.ts'

/** Tables of level 0 from which on writers are slowed down: LevelDB begins to merge at 4 and stops all writes at 12. */
const first = 5
/** Milliseconds that a megabyte takes at least with so many tables; twice as many with each more, up to `last`. */
const millisecondsAtFirst = 4
const last = 11
/** Tables are counted once for so many bytes: counting waits for LevelDB's mutex, up to a millisecond when it is busy. */
const countedEvery = 1e6

/**
 * Slows writers down while LevelDB has much to merge. Left alone it takes everything at full speed until it stops all writes
 * for seconds; slowed down little by little they get as much written, for the merging decides that, and no commit waits
 * long. As RocksDB's delayed write rate. Measured in docs/decisions/022-leveldb-options.md.
 */
export class WritePace {
  readonly #countTables: () => number
  readonly #now: () => number
  #uncounted = countedEvery
  #millisecondsPerByte = 0
  /** When the next commit may be written. */
  #free = 0

  constructor(countTables: () => number, now: () => number) {
    this.#countTables = countTables
    this.#now = now
  }

  /** How many milliseconds a commit of so many bytes has to wait before it is written. */
  delay(bytes: number): number {
    this.#uncounted += bytes
    if (this.#uncounted >= countedEvery) {
      this.#uncounted = 0
      const beyond = Math.min(this.#countTables(), last) - first
      this.#millisecondsPerByte = beyond < 0 ? 0 : (millisecondsAtFirst * 2 ** beyond) / 1e6
    }
    const now = this.#now()
    const begin = this.#millisecondsPerByte === 0 ? now : Math.max(now, this.#free)
    this.#free = begin + bytes * this.#millisecondsPerByte
    return begin - now
  }
}

/** Writes at such a pace. */
export function paced(write: Store['write'], pace: WritePace): Store['write'] {
  return async (operations: readonly StoredOperation[], sync) => {
    const wait = pace.delay(operations.reduce((bytes, operation) => bytes + sizeOf(operation), 0))
    // A timer is not more exact.
    if (wait >= 1) await setTimeout(wait)
    await write(operations, sync)
  }
}
