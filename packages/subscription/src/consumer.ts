import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { remember } from './acknowledge.ts'
import { bury, reasonOf } from './dead-letters.ts'
import type { Decode, Delivery, NackOptions, Settling } from './delivery.ts'
import type { Feeds } from './feeds.ts'
import { lapsedError } from './lease.ts'
import { duration, type Settings } from './settings.ts'

/** What is to be tried again later than this is put aside, in milliseconds: it would keep its window from moving on. */
const longestInWindow = 30_000

/** Makes items of deliveries and says what becomes of them: acknowledged, tried again, or put to the dead letters. */
export class Consumer<Item> implements Settling {
  readonly log: Log
  readonly settings: Settings
  readonly feeds: Feeds
  readonly #decode: Decode<Item>
  readonly #unsettled = new Set<Promise<void>>()

  constructor(log: Log, decode: Decode<Item>, settings: Settings, feeds: Feeds) {
    this.feeds = feeds
    this.log = log
    this.settings = settings
    this.#decode = decode
  }

  /**
   * The item of a delivery that begins now; `undefined` when there is nothing to hand over: it is not for this
   * subscriber, cannot be read, or has ended too many processes.
   */
  item(delivery: Delivery): Item | undefined {
    const { countDeliveries, maxAttempts, groupId } = this.settings
    delivery.begin(this)
    if (countDeliveries && delivery.attempts > maxAttempts) {
      this.#exhausted(delivery, `it was delivered ${maxAttempts} times and never acknowledged`)
      return undefined
    }
    let item: Item | undefined
    try {
      item = this.#decode(delivery.record, delivery)
    } catch (error) {
      this.#unreadable(delivery, error)
      return undefined
    }
    if (item === undefined) delivery.settle()
    else if (groupId !== undefined && typeof item === 'object' && item !== null) remember(item, delivery)
    return item
  }

  acknowledge(delivery: Delivery): void {
    if (this.settings.delivery === 'exactly-once') {
      throw new AegisError(
        'ACK_OUTSIDE_TRANSACTION',
        'under exactly-once a transaction acknowledges: that of run(handler), or acknowledge(tx, item)',
      )
    }
    delivery.settle()
  }

  refuse(delivery: Delivery, { delay, reason = 'refused', retry = true }: NackOptions): void {
    if (this.settings.delivery === 'at-most-once' || delivery.refused || !delivery.open) return
    const asked = delay === undefined ? undefined : duration('delay', delay)
    if (delivery.inRun) {
      delivery.refusal = { reason, retry, ...(asked !== undefined && { delay: asked }) }
      return
    }
    delivery.refused = true
    delivery.tell(reason)
    const wait = this.failed(delivery, reason, { delay: asked, retry })
    if (wait !== undefined) delivery.partition.source.redeliver(delivery, wait)
  }

  async extend(delivery: Delivery, asked: number | string | undefined): Promise<void> {
    await delivery.lease?.lessor.extend(delivery, duration('extend', asked ?? this.settings.lease))
    if (delivery.lapsed) throw lapsedError(delivery)
  }

  lapsed(delivery: Delivery): boolean {
    const { record, attempts } = delivery
    const { topic, partition, offset } = record
    this.feeds.report({ type: 'lapsed', topic, partition, offset, attempts })
    if (attempts < this.settings.maxAttempts) return false
    this.#exhausted(delivery, `its lease of ${this.settings.lease} ms has lapsed`)
    return true
  }

  /**
   * How long to wait until the next attempt, in milliseconds; `undefined` when it is not made here: it is dead, or in the
   * retry queue. `delay` was asked for; without it the message is put aside only if it is not `ordered`, for then those
   * behind it have to wait as well. Without `retry` this was the last.
   */
  failed(
    delivery: Delivery,
    reason: unknown,
    {
      delay,
      ordered = false,
      retry = true,
    }: { readonly delay?: number | undefined; readonly ordered?: boolean; readonly retry?: boolean | undefined } = {},
  ): number | undefined {
    const { partition, slot, attempts } = delivery
    if (!retry || attempts >= this.settings.maxAttempts || this.settings.delivery === 'at-most-once') {
      this.#exhausted(delivery, reason)
      return undefined
    }
    const wait = delay ?? this.settings.backoff(attempts)
    this.#report({ type: 'retried', delay: wait }, delivery, reason)
    const aside = wait > longestInWindow && (delay !== undefined || !ordered)
    if (delivery.lease !== undefined && !aside) {
      // Any member may have it next.
      delivery.lease.lessor.giveBack(delivery, wait)
      return undefined
    }
    if (partition.retries !== undefined && (delivery.retry !== undefined || aside)) {
      this.#settling(delivery, partition.source.putAside([delivery], this.log.now() + wait))
      return undefined
    }
    if (wait > 0) partition.window.postpone(slot, this.log.now() + wait)
    partition.source.touched(partition)
    return wait
  }

  /** As `failed`, when the handler of `run` has said so with `nack()`. */
  failedBy(delivery: Delivery, { reason, delay, retry }: NackOptions, ordered: boolean): number | undefined {
    return this.failed(delivery, reason, {
      ordered,
      retry,
      ...(delay !== undefined && { delay: duration('delay', delay) }),
    })
  }

  /** It has not begun, and is not to for so many milliseconds: it waits with its partition, and that is no attempt. */
  postpone(delivery: Delivery, wait: number): void {
    const { partition, slot, retry, lease } = delivery
    delivery.postponed = true
    const due = this.log.now() + wait
    if (retry !== undefined) {
      delivery.attempts = retry.attempts - 1
      this.#settling(delivery, partition.source.putAside([delivery], due))
    } else if (lease !== undefined) lease.lessor.postpone(delivery, wait)
    else {
      if (partition.counted.delete(delivery)) {
        partition.window.undeliver(slot)
        delivery.attempts--
      }
      partition.window.postpone(slot, due)
      partition.source.touched(partition)
      partition.source.redeliver(delivery, wait)
    }
  }

  /** Resolves when everything on its way to the dead letters or the retry queue is durable. */
  async settled(): Promise<void> {
    await Promise.all(this.#unsettled)
  }

  #exhausted(delivery: Delivery, reason: unknown): void {
    if (this.settings.groupId !== undefined) {
      this.#bury(delivery, this.settings.groupId, reason)
      return
    }
    if (this.settings.onError === 'skip') return
    const { topic, partition, offset } = delivery.record
    this.feeds.fail(
      new AegisError(
        'ATTEMPTS_EXHAUSTED',
        `the message at offset ${offset} of ${topic}/${partition} was refused ${delivery.attempts} times: ${reasonOf(reason)}`,
        { cause: reason, details: { topic, partition, offset } },
      ),
    )
  }

  #unreadable(delivery: Delivery, error: unknown): void {
    const { groupId, onError } = this.settings
    if (groupId !== undefined) this.#bury(delivery, groupId, error)
    else if (onError === 'throw') this.feeds.fail(error)
  }

  #bury(delivery: Delivery, groupId: string, reason: unknown): void {
    const burial = bury(this.log, delivery, groupId, reason)
    this.#settling(
      delivery,
      burial.then(() => this.#report({ type: 'dead-lettered' }, delivery, reason)),
    )
  }

  #settling(delivery: Delivery, work: Promise<void>): void {
    // Whatever else is said of it comes too late, and it is for nobody else meanwhile.
    delivery.refused = true
    delivery.lease?.end(delivery)
    const settled = work
      .catch((error: unknown) => {
        // Another member has the partition, and will find the message as bad as we did.
        if (!AegisError.is(error, 'GENERATION_FENCED')) this.feeds.fail(error)
      })
      .finally(() => this.#unsettled.delete(settled))
    this.#unsettled.add(settled)
  }

  #report(
    what: { readonly type: 'retried'; readonly delay: number } | { readonly type: 'dead-lettered' },
    { record: { topic, partition, offset }, attempts }: Delivery,
    reason: unknown,
  ): void {
    this.feeds.report({ ...what, topic, partition, offset, attempts, reason: reasonOf(reason) })
  }
}
