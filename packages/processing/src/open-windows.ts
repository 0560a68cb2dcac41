import type { Aggregation, Contents, Window } from './aggregation.ts'
import type { MicroBatch } from './micro-batch.ts'
import { checkKey, compareKeys, type WindowKey } from './window-key.ts'

interface OpenWindow {
  readonly window: Window
  readonly contents: Contents
  /** The last batch that changed it. */
  changedIn: MicroBatch | undefined
}

/** State keys of windows begin with it. */
export const windowPrefix = Uint8Array.of(1)
const startAt = 1
const keyAt = 9

// JSON has no zero byte: it ends the key, and what follows names a chunk.
function stateKey({ key, start }: Window): Uint8Array {
  const text = JSON.stringify(key)
  const size = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(keyAt + size + 1)
  bytes.set(windowPrefix)
  bytes.writeDoubleBE(start, startAt)
  bytes.write(text, keyAt, size, 'utf8')
  bytes[keyAt + size] = 0
  return bytes
}

/**
 * The windows that are not closed yet, by start and key. The memory is changed as records come and holds only until a
 * commit fails: then the job ends, and the next one loads what is stored.
 */
export class OpenWindows {
  readonly #aggregation: Aggregation
  readonly #size: number
  /** In rising order. */
  readonly #starts: number[] = []
  readonly #windows = new Map<number, Map<WindowKey, OpenWindow>>()
  #changed: OpenWindow[] = []
  #count = 0

  constructor(aggregation: Aggregation, size: number) {
    this.#aggregation = aggregation
    this.#size = size
  }

  /** How many windows are open, those of different keys apart. */
  get count(): number {
    return this.#count
  }

  /** The end of the last window, in event time; `undefined` when none is open. */
  get lastEnd(): number | undefined {
    const start = this.#starts.at(-1)
    return start === undefined ? undefined : start + this.#size
  }

  hasEnded(watermark: number): boolean {
    return this.#starts.length > 0 && this.#starts[0]! + this.#size <= watermark
  }

  add(key: WindowKey, start: number, prepared: unknown, batch: MicroBatch): void {
    const open = this.#open(key, start)
    open.contents.add(prepared, batch)
    if (open.changedIn === batch) return
    open.changedIn = batch
    this.#changed.push(open)
    batch.grow(128 + (typeof key === 'string' ? key.length * 3 : 0))
  }

  /** Takes the first window out that has ended by the watermark: the oldest, and in it the first key. */
  *close(watermark: number, batch: MicroBatch): Generator<readonly [window: Window, contents: Contents]> {
    while (this.hasEnded(watermark)) {
      const start = this.#starts[0]!
      const keys = this.#windows.get(start)!
      for (const key of [...keys.keys()].sort(compareKeys)) {
        const open = keys.get(key)!
        keys.delete(key)
        this.#count--
        // Not changed any more, so that it is not written again.
        open.changedIn = undefined
        open.contents.remove(stateKey(open.window), batch)
        if (keys.size === 0) {
          this.#windows.delete(start)
          this.#starts.shift()
        }
        yield [open.window, open.contents]
      }
    }
  }

  /** Stores what the batch has changed. */
  write(position: number, batch: MicroBatch): void {
    for (const open of this.#changed) {
      if (open.changedIn === batch) open.contents.write(stateKey(open.window), position, batch)
    }
    this.#changed = []
  }

  load(stored: Uint8Array, value: Uint8Array): void {
    const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length)
    const end = bytes.indexOf(0, keyAt)
    const key = checkKey(JSON.parse(bytes.toString('utf8', keyAt, end)))
    const position = bytes.length > end + 1 ? bytes.readDoubleBE(end + 1) : undefined
    this.#open(key, bytes.readDoubleBE(startAt)).contents.load(position, value)
  }

  #open(key: WindowKey, start: number): OpenWindow {
    let keys = this.#windows.get(start)
    if (keys === undefined) {
      this.#windows.set(start, (keys = new Map()))
      this.#starts.splice(this.#placeOf(start), 0, start)
    }
    let open = keys.get(key)
    if (open === undefined) {
      const window = { key, start, end: start + this.#size }
      keys.set(key, (open = { window, contents: this.#aggregation.open(), changedIn: undefined }))
      this.#count++
    }
    return open
  }

  #placeOf(start: number): number {
    let low = 0
    let high = this.#starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#starts[middle]! < start) low = middle + 1
      else high = middle
    }
    return low
  }
}
