import type { StoredEvent } from '../event.ts'

/** Events one after the other, as `read` and `readAll` give them. Leaving the loop ends the reading. */
export interface EventIterator<Event = StoredEvent> extends AsyncIterableIterator<Event, undefined, undefined> {
  return(): Promise<IteratorResult<Event, undefined>>
}

/**
 * The events in pages, one by one. Written by hand: an asynchronous generator costs as much for each event as making it.
 * Requests that are made before the one before has ended come after it.
 */
export class PagedEvents<Item> implements EventIterator {
  readonly #pages: AsyncGenerator<readonly Item[], void, undefined>
  readonly #take: (item: Item) => StoredEvent | undefined
  #page: readonly Item[] = []
  #at = 0
  #waiting: Promise<unknown> | undefined
  #ended = false

  /** @param take The event of an item, when its turn has come; `undefined` leaves it out. */
  constructor(pages: AsyncGenerator<readonly Item[], void, undefined>, take: (item: Item) => StoredEvent | undefined) {
    this.#pages = pages
    this.#take = take
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<StoredEvent, undefined>> {
    if (this.#waiting !== undefined) return this.#after(() => this.#turn())
    try {
      const event = this.#ready()
      if (event !== undefined) return Promise.resolve({ done: false, value: event })
    } catch (error) {
      return this.#fail(error)
    }
    return this.#after(() => this.#turn())
  }

  async return(): Promise<IteratorResult<StoredEvent, undefined>> {
    this.#end()
    await this.#pages.return()
    return { done: true, value: undefined }
  }

  #ready(): StoredEvent | undefined {
    while (this.#at < this.#page.length) {
      const event = this.#take(this.#page[this.#at++]!)
      if (event !== undefined) return event
    }
    return undefined
  }

  async #turn(): Promise<IteratorResult<StoredEvent, undefined>> {
    try {
      while (!this.#ended) {
        const event = this.#ready()
        if (event !== undefined) return { done: false, value: event }
        const { done, value } = await this.#pages.next()
        if (done === true) break
        this.#page = value
        this.#at = 0
      }
    } catch (error) {
      return this.#fail(error)
    }
    this.#end()
    return { done: true, value: undefined }
  }

  #after<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#waiting
    const waiting = before === undefined ? work() : before.then(work, work)
    this.#waiting = waiting
    const done = (): void => {
      if (this.#waiting === waiting) this.#waiting = undefined
    }
    waiting.then(done, done)
    return waiting
  }

  async #fail(error: unknown): Promise<never> {
    this.#end()
    await this.#pages.return()
    throw error
  }

  #end(): void {
    this.#ended = true
    this.#page = []
    this.#at = 0
  }
}
