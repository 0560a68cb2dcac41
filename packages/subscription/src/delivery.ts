import type { LogRecord } from '@aegis/log'
import type { AssignedPartition } from './assigned-partition.ts'
import type { Lease } from './lease.ts'

export interface NackOptions {
  /** How long until the item is delivered again: milliseconds or `'5s'`. Default: as the subscription's `backoff` says. */
  delay?: number | string
  /** Why; kept with the dead letter if this was the last attempt. */
  reason?: string
  /** `false`: trying again would not help; it goes to the dead letters at once. Default true, until `maxAttempts`. */
  retry?: boolean
}

/** What a decoder gets beside the record, to be passed on to the user. */
export interface Delivered {
  /** Which delivery of the record to the group this is: 1 for the first. */
  readonly attempts: number
  /** Done with it: it is not delivered to the group again. Without a group nothing happens. */
  ack(): void
  /** Not done, also when the handler of `run` returns: it is delivered again, or goes to the dead letters when it was refused often enough. */
  nack(options?: NackOptions): void
  /**
   * With `mode: 'shared'`: needs longer, milliseconds or `'5m'`, by default the subscription's `lease` from now on. Resolves
   * when that is durable. Otherwise nothing lapses, and there is nothing to extend.
   * @throws AegisError `LEASE_LAPSED`
   */
  extend(duration?: number | string): Promise<void>
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
  /** Only the records of this key of a topic keyed `'history'` are for this subscriber: no others are read. */
  key?: Uint8Array
  /** Whether a record is for this subscriber, as far as its stored form says: the others are passed over at little cost. */
  wants?(record: LogRecord): boolean
  /** Called and awaited with each page of records that is fetched, for what decoding needs and cannot wait for. */
  prepare?(records: readonly LogRecord[]): Promise<void> | undefined
}

/** What becomes of a delivery; said by the user. */
export interface Settling {
  acknowledge(delivery: Delivery): void
  refuse(delivery: Delivery, options: NackOptions): void
  extend(delivery: Delivery, duration: number | string | undefined): Promise<void>
  /** Its lease has lapsed. Gives whether it was the last attempt, and there is nothing more to be done with it. */
  lapsed(delivery: Delivery): boolean
}

/** Where a delivery from the retry queue is kept, and which attempt it is. */
export interface Retry {
  key: Uint8Array
  readonly attempts: number
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
  /** It was delivered to somebody who is gone: perhaps because of it. */
  suspect = false
  /** Where `run` keeps order: it was refused by somebody who is gone, and is to wait so long, those behind it too. Milliseconds since the epoch, 0: it is due. */
  notBefore = 0
  /** It was put off before, and its time has come. */
  postponed = false
  /** It was refused and waits for its next delivery. */
  refused = false
  /** What the handler of `run` has said with `nack()`; taken up when it returns. `undefined` before that. */
  refusal: NackOptions | undefined = undefined
  /** `run` has it: what becomes of it is decided when its handler returns. */
  inRun = false
  /** Who has it: known when it is handed over. */
  settling: Settling | undefined = undefined
  /** It comes from the retry queue: the key of its row, and the attempts, this one included. */
  readonly retry: Retry | undefined
  /** In a shared group: until when it is its holder's. */
  lease: Lease | undefined = undefined
  holder: unknown = undefined
  /** Its lease was not held: it is another delivery now. */
  lapsed = false
  /** Told once what has become of it: with a reason if it was refused. */
  watcher: ((refused?: string) => void) | undefined = undefined
  /** From the retry queue and acknowledged. */
  #done = false

  constructor(record: LogRecord, partition: AssignedPartition, slot: number, bytes: number, retry?: Retry) {
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

  get extend(): (duration?: number | string) => Promise<void> {
    return async duration => this.settling?.extend(this, duration)
  }

  /** Whether there is still something to be done with it here. */
  get open(): boolean {
    if (this.partition.released || this.lapsed) return false
    return this.retry === undefined ? !this.partition.window.isAcknowledged(this.slot) : !this.#done
  }

  /** It is done with; committed with the next position of its partition. */
  settle(): void {
    if (this.watcher !== undefined) this.tell()
    if (this.partition.released || this.lapsed) return
    this.lease?.end(this)
    if (this.retry === undefined) this.partition.window.acknowledge(this.slot)
    else if (!this.#done) {
      this.#done = true
      this.partition.retries?.done(this)
    }
    this.partition.source.touched(this.partition)
  }

  /** It was acknowledged in a transaction that has committed. */
  confirm(): void {
    if (this.watcher !== undefined) this.tell()
    this.lease?.end(this)
    if (this.retry !== undefined) this.#done = true
  }

  tell(refused?: string): void {
    const { watcher } = this
    this.watcher = undefined
    watcher?.(refused)
  }

  /** One more delivery begins. */
  begin(settling: Settling): void {
    this.settling = settling
    this.refused = false
    this.refusal = undefined
    this.inRun = false
    // It was counted before, by its lease or with its page.
    if (this.lease !== undefined || this.partition.counted.delete(this)) return
    this.attempts = this.retry?.attempts ?? Math.max(this.attempts + 1, this.partition.window.deliver(this.slot))
  }
}
