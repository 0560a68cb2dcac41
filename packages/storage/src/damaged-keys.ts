import { compareBytes } from './arguments.ts'
import type { AegisError } from './errors.ts'

/** Stored keys between two, both included. */
export interface KeyRange {
  readonly first: Uint8Array
  readonly last: Uint8Array
}

/** The same with bounds that may be open. */
export interface OpenRange {
  readonly first: Uint8Array | undefined
  readonly last: Uint8Array | undefined
}

/**
 * Keys that damage may hide: an entry that does not show up would pass for one that never was, or an older one for the
 * newest. So nothing among them is read any more.
 */
export class DamagedKeys {
  readonly #found: { keys: KeyRange; readonly error: AegisError }[] = []

  add(keys: KeyRange, error: AegisError): void {
    const before = this.#found.at(-1)
    // Of a file that is damaged all over the blocks come one after the other: together they are one range.
    const follows = before !== undefined && compareBytes(before.keys.last, keys.first) === 0
    if (follows) before.keys = { first: before.keys.first, last: keys.last }
    else this.#found.push({ keys, error })
  }

  /** What was found first. */
  get error(): AegisError | undefined {
    return this.#found[0]?.error
  }

  /** @throws AegisError `STORAGE_CORRUPT` when something in the range may be hidden */
  assertNone({ first, last }: OpenRange): void {
    for (const { keys, error } of this.#found) {
      const below = last !== undefined && compareBytes(last, keys.first) < 0
      const above = first !== undefined && compareBytes(first, keys.last) > 0
      if (!below && !above) throw error
    }
  }
}
