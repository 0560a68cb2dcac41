import { AegisError } from '@aegis/storage'
import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'
import type { Feed, PartitionOfTopic, SeekTo, Taker, TopicLag } from './feed.ts'
import { invalid } from './settings.ts'
import { StatusBoard, type SubscriptionStatus } from './status.ts'

/** Several feeds as one, in turn, so that a busy one does not starve the others. */
export class Feeds implements Taker {
  readonly status = new StatusBoard()
  /** Whether feeds may come and go. */
  readonly list: boolean
  keepsOrder = false
  readonly #feeds: Feed[] = []
  #turn = 0
  #closed = false
  #paused = false
  #failure: { readonly error: unknown } | undefined
  #waiting: (() => void)[] = []

  constructor(list: boolean) {
    this.list = list
  }

  add(feed: Feed): void {
    this.#feeds.push(feed)
    if (this.#waiting.length > 0 && !this.#paused) feed.demand()
  }

  get topics(): readonly string[] {
    return this.#feeds.map(({ topic }) => topic)
  }

  /** What was fetched stays; nothing is given out, `of` one partition or of all, until it is paused no more. */
  pause(paused: boolean, of?: PartitionOfTopic): void {
    if (of === undefined) this.#paused = paused
    else this.#feedOf(of).pause(of.partition, paused)
    if (!paused) this.wake()
  }

  /** Whether a delivery that was taken is not to be handed over now; who waits is woken when it may be. */
  isPaused({ partition }: Delivery): boolean {
    return this.#paused || (!partition.released && (partition.paused || !partition.source.confirmed))
  }

  /** The next delivery, waiting for it; `undefined` once closed. @throws what `fail` was given */
  async next(): Promise<Delivery | undefined> {
    for (;;) {
      const delivery = this.take()
      if (delivery !== undefined || this.#closed) return delivery
      await this.arrival()
    }
  }

  /** Resolves when there may be something to take, or it is closed or has failed; asks for more. */
  arrival(): Promise<void> {
    const changed = this.changed()
    if (!this.#paused && !this.#closed && this.#failure === undefined) for (const feed of this.#feeds) feed.demand()
    return changed
  }

  /** As `arrival`, and asks for nothing. */
  changed(): Promise<void> {
    if (this.#closed || this.#failure !== undefined) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /** Why nothing can go on, if so. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The next delivery if there is one at once. With `partition` only if it is of that one. @throws what `fail` was given */
  take(partition?: AssignedPartition): Delivery | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#closed || this.#paused) return undefined
    const count = this.#feeds.length
    for (let tried = 0; tried < count; tried++) {
      if (this.#turn >= count) this.#turn = 0
      const delivery = this.#feeds[this.#turn++]!.take(partition)
      if (delivery !== undefined) return delivery
    }
    return undefined
  }

  wake(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  /** One of a list of topics may be deleted; the only one may not. */
  ended(feed: Feed): void {
    if (!this.list) {
      this.fail(new AegisError('SUBSCRIPTION_CLOSED', `topic ${feed.topic} was deleted`))
      return
    }
    this.#feeds.splice(this.#feeds.indexOf(feed), 1)
    void feed.leave().catch((failure: unknown) => {
      if (!AegisError.is(failure, 'TOPIC_UNKNOWN')) this.fail(failure)
    })
  }

  report(status: SubscriptionStatus): void {
    this.status.report(status)
  }

  async seek(to: SeekTo, of?: PartitionOfTopic): Promise<void> {
    if (of !== undefined) await this.#feedOf(of).seek(to, of.partition)
    else await Promise.all(this.#feeds.map(feed => feed.seek(to)))
  }

  async lag(): Promise<TopicLag[]> {
    return (await Promise.all(this.#feeds.map(feed => feed.lag()))).flat()
  }

  /** Ends it: `next` throws the error. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.wake()
  }

  /** What is acknowledged now becomes durable. */
  async commit(): Promise<void> {
    await Promise.all(this.#feeds.map(feed => feed.commit()))
  }

  /** Nothing more is given out. */
  stop(): void {
    if (this.#closed) return
    this.#closed = true
    for (const feed of this.#feeds) feed.stop()
    this.wake()
  }

  async leave(): Promise<void> {
    this.stop()
    // All of them, whatever becomes of one; then the first that failed is told.
    const left = await Promise.allSettled(this.#feeds.map(feed => feed.leave()))
    for (const result of left) if (result.status === 'rejected') throw result.reason
  }

  #feedOf({ topic, partition }: PartitionOfTopic): Feed {
    const feed = this.#feeds.find(each => each.topic === topic)
    if (feed !== undefined && Number.isSafeInteger(partition) && partition >= 0) return feed
    return invalid(
      `partition ${String(partition)} of topic ${String(topic)}: give { topic, partition } of ${this.topics.join(', ')}`,
    )
  }
}
