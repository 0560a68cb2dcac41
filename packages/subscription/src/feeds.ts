import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'
import type { Feed, Taker } from './feed.ts'

/** Several feeds as one, in turn, so that a busy one does not starve the others. */
export class Feeds implements Taker {
  readonly #feeds: Feed[] = []
  #turn = 0
  #closed = false
  #failure: { readonly error: unknown } | undefined
  #waiting: (() => void)[] = []

  add(feed: Feed): void {
    this.#feeds.push(feed)
    this.wake()
  }

  /** It ends without the others. */
  remove(feed: Feed): void {
    const at = this.#feeds.indexOf(feed)
    if (at < 0) return
    this.#feeds.splice(at, 1)
    feed.stop()
    // Its topic is gone: there is nothing to be committed any more, and nobody who would have to hear of it.
    void feed.leave().catch(() => undefined)
  }

  /** The next delivery, waiting for it; `undefined` once closed. @throws what `fail` was given */
  async next(): Promise<Delivery | undefined> {
    for (;;) {
      const delivery = this.take()
      if (delivery !== undefined || this.#closed) return delivery
      await this.arrival()
    }
  }

  /** Resolves when there may be something to take, or it is closed or has failed. */
  arrival(): Promise<void> {
    if (this.#closed || this.#failure !== undefined) return Promise.resolve()
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      for (const feed of this.#feeds) feed.demand()
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The next delivery if there is one at once. With `partition` only if it is of that one. @throws what `fail` was given */
  take(partition?: AssignedPartition): Delivery | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#closed) return undefined
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
}
