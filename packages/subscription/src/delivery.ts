import type { LogRecord } from '@aegis/log'
import type { AssignedPartition } from './assigned-partition.ts'

export interface NackOptions {
  /** How long until the item is delivered again: milliseconds or `'5s'`. Default: as the subscription's `backoff` says. */
  delay?: number | string
  /** Why; kept with the dead letter if this was the last attempt. */
  reason?: string
}

/** What a decoder gets beside the record, to be passed on to the user. */
export interface Delivered {
  /** Which delivery of the record to the group this is: 1 for the first. */
  readonly attempts: number
  /** Done with it: it is not delivered to the group again. Without a group nothing happens. */
  ack(): void
  /** Not done, also when the handler of `run` returns: it is delivered again, or goes to the dead letters when it was refused often enough. */
  nack(options?: NackOptions): void
}

/**
 * The key under which an item has what was delivered, where it can: then `acknowledge(tx, item)` finds it there, which is
 * faster than remembering every item.
 */
export const delivered: unique symbol = Symbol('delivered')

/**
 * Makes an item of a record; `undefined`: the record is not for this subscriber, and counts as acknowledged. Throwing:
 * it cannot be read; in a group it goes to the dead letters.
 */
export interface Decode<Item> {
  (record: LogRecord, delivered: Delivered): Item | undefined
  /** Called and awaited with each page of records that is fetched, for what decoding needs and cannot wait for. */
  prepare?(records: readonly LogRecord[]): Promise<void> | undefined
}

/** What becomes of a delivery; said by the user. */
export interface Settling {
  acknowledge(delivery: Delivery): void
  refuse(delivery: Delivery, options: NackOptions): void
}

/** A record on its way to the user. */
export class Delivery implements Delivered {
  readonly record: LogRecord
  readonly partition: AssignedPartition
  /** Its place in the window. */
  readonly slot: number
  /** What it needs in memory, or about as much. */
  readonly bytes: number
  attempts = 0
  /** It was refused and waits for its next delivery. */
  refused = false
  /** What the handler of `run` has said with `nack()`; taken up when it returns. `undefined` before that. */
  refusal: NackOptions | undefined = undefined
  /** `run` has it: what becomes of it is decided when its handler returns. */
  inRun = false
  /** Who has it: known when it is handed over. */
  settling: Settling | undefined = undefined
  /** It comes from the retry queue: the key of its row, and the attempts, this one included. */
  readonly retry: { readonly key: Uint8Array; readonly attempts: number } | undefined
  /** From the retry queue and acknowledged. */
  #done = false

  constructor(
    record: LogRecord,
    partition: AssignedPartition,
    slot: number,
    bytes: number,
    retry?: { readonly key: Uint8Array; readonly attempts: number },
  ) {
    this.record = record
    this.partition = partition
    this.slot = slot
    this.bytes = bytes
    this.retry = retry
  }

  // Functions that can be taken off it, made when they are asked for: most deliveries ask for one at most.
  get ack(): () => void {
    return () => this.settling?.acknowledge(this)
  }

  get nack(): (options?: NackOptions) => void {
    return (options = {}) => this.settling?.refuse(this, options)
  }

  /** Whether there is still something to be done with it here. */
  get open(): boolean {
    if (this.partition.released) return false
    return this.retry === undefined ? !this.partition.window.isAcknowledged(this.slot) : !this.#done
  }

  /** It is done with; committed with the next position of its partition. */
  settle(): void {
    if (this.partition.released) return
    if (this.retry === undefined) this.partition.window.acknowledge(this.slot)
    else if (!this.#done) {
      this.#done = true
      this.partition.retries?.done(this)
    }
    this.partition.source.touched(this.partition)
  }

  /** One more delivery begins. */
  begin(settling: Settling): void {
    this.settling = settling
    this.refused = false
    this.refusal = undefined
    this.attempts = this.retry?.attempts ?? Math.max(this.attempts + 1, this.partition.window.deliver(this.slot))
  }
}
