import type { Consumer } from './consumer.ts'
import type { Delivery } from './delivery.ts'
import type { Instrumentation } from './instrumentation.ts'

/**
 * The items of a subscription, one by one. Written by hand: an asynchronous generator costs twice as much for each item.
 * Leaving the loop, or an error, closes the subscription.
 */
export class ItemIterator<Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #consumer: Consumer<Item>
  readonly #close: () => Promise<void>
  readonly #autoCommit: boolean
  /** What was handed over last, when the next request acknowledges it. */
  #handedOver: Delivery | undefined
  /** A request that waits; those made meanwhile come after it. */
  #waiting: Promise<unknown> | undefined
  #ended = false
  readonly #instrumentation: Instrumentation<Item> | undefined
  /** Those of which nothing was said yet, for the instrumentation. */
  readonly #watched = new Set<Delivery>()

  constructor(consumer: Consumer<Item>, close: () => Promise<void>, instrumentation?: Instrumentation<Item>) {
    this.#consumer = consumer
    this.#close = close
    this.#instrumentation = instrumentation
    this.#autoCommit = consumer.settings.autoCommit
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    if (this.#waiting !== undefined) return this.#after(this.#waiting, () => this.#wait())
    try {
      this.#acknowledge()
      const item = this.#take()
      if (item !== undefined) return Promise.resolve({ done: false, value: item })
    } catch (error) {
      return this.#fail(error)
    }
    return this.#after(undefined, () => this.#wait())
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    return this.#end()
  }

  #acknowledge(): void {
    this.#handedOver?.settle()
    this.#handedOver = undefined
  }

  /** Nothing more is said of what was handed over. */
  forget(): void {
    for (const delivery of [...this.#watched]) delivery.tell()
  }

  #watch(instrumentation: Instrumentation<Item>, item: Item, delivery: Delivery): void {
    // Without a group nothing need be said: who asks for the next is done with the one before.
    if (this.#consumer.settings.groupId === undefined) this.forget()
    const ended = instrumentation.handedOver(item)
    this.#watched.add(delivery)
    delivery.watcher = refused => {
      this.#watched.delete(delivery)
      ended(refused)
    }
  }

  #take(): Item | undefined {
    if (this.#ended) return undefined
    const { feeds } = this.#consumer
    for (;;) {
      const delivery = feeds.take()
      if (delivery === undefined) return undefined
      const item = this.#consumer.item(delivery)
      if (item === undefined) continue
      if (this.#instrumentation !== undefined) this.#watch(this.#instrumentation, item, delivery)
      if (this.#autoCommit) this.#handedOver = delivery
      return item
    }
  }

  async #wait(): Promise<IteratorResult<Item, undefined>> {
    const { feeds } = this.#consumer
    try {
      this.#acknowledge()
      for (;;) {
        const item = this.#take()
        if (item !== undefined) return { done: false, value: item }
        if (feeds.closed || this.#ended) break
        await feeds.arrival()
      }
    } catch (error) {
      return this.#fail(error)
    }
    return this.#end()
  }

  #after<T>(before: Promise<unknown> | undefined, work: () => Promise<T>): Promise<T> {
    const waiting = before === undefined ? work() : before.then(work, work)
    this.#waiting = waiting
    const done = (): void => {
      if (this.#waiting === waiting) this.#waiting = undefined
    }
    waiting.then(done, done)
    return waiting
  }

  async #end(): Promise<IteratorResult<Item, undefined>> {
    this.#ended = true
    await this.#close()
    return { done: true, value: undefined }
  }

  async #fail(error: unknown): Promise<never> {
    this.#ended = true
    // Of two errors the first is the one that explains.
    await this.#close().catch(() => undefined)
    throw error
  }
}
