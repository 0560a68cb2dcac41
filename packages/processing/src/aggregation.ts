import { type Aggregator, addToTotals, checkNumber, emptyTotals, resultOf } from './aggregators.ts'
import { decodeItems, encodeItem } from './item-codec.ts'
import type { MicroBatch } from './micro-batch.ts'
import type { WindowKey } from './window-key.ts'

/** The window that a result belongs to: `start <= event time < end`, in milliseconds since the epoch. */
export interface Window<Key = WindowKey> {
  /** What `keyBy` gave; `null` without `keyBy`. */
  readonly key: Key
  readonly start: number
  readonly end: number
}

/** What one window of one key has gathered. */
export interface Contents<Prepared = unknown> {
  /** Adds what `prepare` gave; cannot fail. */
  add(prepared: Prepared, batch: MicroBatch): void
  /** Stores what came since the last time. `position` is the batch's: it names what is written. */
  write(key: Uint8Array, position: number, batch: MicroBatch): void
  /** Takes in what `write` has stored. */
  load(position: number | undefined, value: Uint8Array): void
  /** Deletes all that was stored. */
  remove(key: Uint8Array, batch: MicroBatch): void
  result(window: Window): unknown
}

/** How windows are aggregated. */
export interface Aggregation<Prepared = unknown> {
  /** For comparison with a stored one. */
  readonly shape: unknown
  /** Runs the user's functions on an item and changes nothing, so that a failure leaves nothing half done. */
  prepare(item: unknown): Prepared
  open(): Contents<Prepared>
}

/** The key of a chunk of items: that of the window and the position of the batch that wrote it. */
function chunkKey(key: Uint8Array, position: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(key.length + 8)
  bytes.set(key)
  bytes.writeDoubleBE(position, key.length)
  return bytes
}

/** Keeps the items of a window and gives all of them to a function at its end. */
export function aggregateItems(run: (items: readonly unknown[], window: Window) => unknown): Aggregation<StoredItem> {
  return {
    shape: 'function',
    prepare: item => ({ item, bytes: encodeItem(item) }),
    open: () => new Items(run),
  }
}

interface StoredItem {
  readonly item: unknown
  readonly bytes: Uint8Array
}

class Items implements Contents<StoredItem> {
  readonly #run: (items: readonly unknown[], window: Window) => unknown
  readonly #items: unknown[] = []
  readonly #chunks: number[] = []
  #unwritten: Uint8Array[] = []

  constructor(run: (items: readonly unknown[], window: Window) => unknown) {
    this.#run = run
  }

  add({ item, bytes }: StoredItem, batch: MicroBatch): void {
    this.#items.push(item)
    this.#unwritten.push(bytes)
    batch.grow(bytes.length)
  }

  // One entry per batch and window: rewriting the whole window each time would be quadratic.
  write(key: Uint8Array, position: number, batch: MicroBatch): void {
    batch.put(chunkKey(key, position), Buffer.concat(this.#unwritten))
    this.#chunks.push(position)
    this.#unwritten = []
  }

  load(position: number | undefined, value: Uint8Array): void {
    for (const item of decodeItems(value)) this.#items.push(item)
    this.#chunks.push(position!)
  }

  remove(key: Uint8Array, batch: MicroBatch): void {
    for (const position of this.#chunks) batch.delete(chunkKey(key, position))
  }

  result(window: Window): unknown {
    return this.#run(this.#items, window)
  }
}

/** Keeps a few numbers per window. */
export function aggregateNumbers(aggregators: Readonly<Record<string, Aggregator<unknown>>>): Aggregation<number[]> {
  const names = Object.keys(aggregators)
  const kinds = names.map(name => aggregators[name]!.kind)
  const selects = names.map(name => aggregators[name]!.select)
  return {
    shape: names.map((name, at) => [name, kinds[at]]),
    prepare: item => selects.map((select, at) => checkNumber(names[at]!, select(item))),
    open: () => new Totals(names, kinds),
  }
}

class Totals implements Contents<number[]> {
  readonly #names: readonly string[]
  readonly #kinds: readonly Aggregator<unknown>['kind'][]
  #totals: Float64Array
  #stored = false

  constructor(names: readonly string[], kinds: readonly Aggregator<unknown>['kind'][]) {
    this.#names = names
    this.#kinds = kinds
    this.#totals = emptyTotals(kinds)
  }

  add(numbers: number[]): void {
    addToTotals(this.#kinds, this.#totals, numbers)
  }

  write(key: Uint8Array, _position: number, batch: MicroBatch): void {
    const value = Buffer.allocUnsafe(this.#totals.length * 8)
    for (let at = 0; at < this.#totals.length; at++) value.writeDoubleBE(this.#totals[at]!, at * 8)
    batch.put(key, value)
    this.#stored = true
  }

  load(_position: number | undefined, value: Uint8Array): void {
    const buffer = Buffer.from(value.buffer, value.byteOffset, value.length)
    this.#totals = Float64Array.from({ length: value.length / 8 }, (_, at) => buffer.readDoubleBE(at * 8))
    this.#stored = true
  }

  remove(key: Uint8Array, batch: MicroBatch): void {
    if (this.#stored) batch.delete(key)
  }

  result(): unknown {
    const items = this.#totals[0]!
    return Object.fromEntries(
      this.#names.map((name, at) => [name, resultOf(this.#kinds[at]!, this.#totals[at + 1]!, items)]),
    )
  }
}
