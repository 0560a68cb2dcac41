import { createRequire } from 'node:module'
import type { Log, PartitionLag, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Observable } from 'rxjs'
import { Consumer } from './consumer.ts'
import type { Decode } from './delivery.ts'
import type { Taker } from './feed.ts'
import { Intake } from './intake.ts'
import { ItemIterator } from './iterator.ts'
import { noTransaction } from './no-transaction.ts'
import {
  checkOptions,
  checkRunOptions,
  type From,
  invalid,
  type RunOptions,
  type SubscriptionOptions,
} from './options.ts'
import { runExactlyOnce } from './run-exactly-once.ts'
import { OrderedRun } from './run-ordered.ts'

/**
 * What a handler does with an item. `tx` is there under exactly-once: what is written with it and the acknowledgement
 * are one commit. The handler may be run again, so it should have no other effects then.
 */
export type Handler<Item> = (item: Item, tx: Transaction) => Promise<void> | void

/** Called around each call of the handler of `run`, for those who watch: it gives on what `handle` gives. */
export type Around<Item> = (item: Item, handle: () => Promise<void> | void) => Promise<void> | void

/** The items of one topic or several: as an async iterator, by a handler, or as an Observable; one of them, once. */
export class Subscription<Item> implements AsyncIterable<Item>, AsyncDisposable {
  readonly #topics: string[]
  readonly #consumer: Consumer<Item>
  readonly #around: Around<Item> | undefined
  readonly #stopping = new AbortController()
  readonly #abort = (): void => void this.close().catch((error: unknown) => this.#consumer.feeds.fail(error))
  readonly #callbacks: (() => void)[] = []
  #active = false
  #closed = false
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #keepAlive: NodeJS.Timeout | undefined

  private constructor(topics: readonly string[], consumer: Consumer<Item>, around: Around<Item> | undefined) {
    this.#topics = [...topics]
    this.#consumer = consumer
    this.#around = around
  }

  /**
   * Resolves when the start is fixed, and committed for groups: what is appended afterwards arrives. `decode` makes
   * items of records. Of several topics one is read after the other, so that a busy one does not starve the others.
   * @throws AegisError `SUBSCRIPTION_INVALID`, `TOPIC_UNKNOWN`
   */
  static async open<Item>(
    log: Log,
    topic: string | readonly string[],
    decode: Decode<Item>,
    options: SubscriptionOptions = {},
    around?: Around<Item>,
  ): Promise<Subscription<Item>> {
    const topics = typeof topic === 'string' ? [topic] : topic
    const settings = checkOptions(topics.join(', '), options)
    const { signal } = settings
    signal?.throwIfAborted()
    const consumer = new Consumer(log, decode, settings)
    const subscription = new Subscription(topics, consumer, around)
    try {
      for (const name of topics) consumer.feeds.add(await Intake.open(log, name, settings, consumer.feeds))
    } catch (error) {
      await subscription.close()
      throw error
    }
    signal?.addEventListener('abort', subscription.#abort, { once: true })
    if (signal?.aborted === true) await subscription.close()
    return subscription
  }

  /**
   * Takes up one more topic, from its beginning if the group has no position there. When it is deleted, the others go on.
   * @throws AegisError `TOPIC_UNKNOWN`
   */
  async add(topic: string, from: From = 'earliest'): Promise<void> {
    const { log, settings, feeds } = this.#consumer
    const taker: Taker = {
      wake: () => feeds.wake(),
      fail: error => {
        const gone = AegisError.is(error, 'SUBSCRIPTION_CLOSED') || AegisError.is(error, 'TOPIC_UNKNOWN')
        if (gone && intake !== undefined) feeds.remove(intake)
        else feeds.fail(error)
      },
    }
    let intake: Intake | undefined
    intake = await Intake.open(log, topic, { ...settings, from }, taker)
    if (feeds.closed) {
      await intake.leave()
      return
    }
    this.#topics.push(topic)
    feeds.add(intake)
  }

  /**
   * Leaving the loop closes the subscription: what was fetched and not acknowledged is delivered again to the group.
   * @throws AegisError `SUBSCRIPTION_BUSY`, `SUBSCRIPTION_CLOSED`; while iterating what ends the log or, without a group,
   * what cannot be read
   */
  [Symbol.asyncIterator](): ItemIterator<Item> {
    this.#start()
    return new ItemIterator(this.#consumer, () => this.close())
  }

  /**
   * Calls the handler for each item and acknowledges when it returns; when it throws, the item is tried again after
   * `backoff`, and after `maxAttempts` it goes to the dead letters. Resolves when the subscription is closed and the
   * handlers have ended.
   *
   * Under exactly-once neighbours of one partition share a transaction; if one of them throws, they are run again one by
   * one. There `concurrency` is of partitions, and each stays in order.
   * @throws AegisError `SUBSCRIPTION_BUSY`, `SUBSCRIPTION_CLOSED`, `SUBSCRIPTION_INVALID`, and what ends the log
   */
  async run(handler: Handler<Item>, options: RunOptions = {}): Promise<void> {
    const checked = checkRunOptions(options)
    this.#start()
    const closing = this.#stopping.signal
    const around = this.#around
    const handle: Handler<Item> = around === undefined ? handler : (item, tx) => around(item, () => handler(item, tx))
    const work =
      this.#consumer.settings.delivery === 'exactly-once'
        ? runExactlyOnce(this.#consumer, handle, checked.concurrency, closing)
        : new OrderedRun(this.#consumer, item => handle(item, noTransaction), checked, closing).run()
    this.#running = work.catch(() => undefined)
    try {
      await work
    } catch (error) {
      // What cannot be closed any more fails for the same reason.
      await this.close().catch(() => undefined)
      throw error
    }
    await this.close()
  }

  /** Resolves when everything acknowledged so far is durable. */
  commit(): Promise<void> {
    return this.#consumer.feeds.commit()
  }

  /** How many records the group has still to read of each partition of each topic, by its committed positions. */
  async lag(): Promise<(PartitionLag & { readonly topic: string })[]> {
    const { log, settings } = this.#consumer
    const { groupId } = settings
    if (groupId === undefined) return invalid(`lag of ${this.#name} is that of a group: subscribe with a groupId`)
    const lags = this.#topics.map(async topic => (await log.lag(groupId, topic)).map(lag => ({ topic, ...lag })))
    return (await Promise.all(lags)).flat()
  }

  /**
   * The items as an Observable of rxjs; unsubscribing closes the subscription. An Observable cannot push back: items come
   * as fast as they are read, in a group at most 10,000 of a partition ahead of their acknowledgement.
   */
  asObservable(): Observable<Item> {
    // Loaded when it is used: rxjs takes 80 ms, and most programs iterate.
    const rxjs: typeof import('rxjs') = createRequire(import.meta.url)('rxjs')
    return new rxjs.Observable(subscriber => {
      const pump = async (): Promise<void> => {
        for await (const item of this) {
          if (subscriber.closed) break
          subscriber.next(item)
        }
      }
      pump().then(
        () => subscriber.complete(),
        (error: unknown) => subscriber.error(error),
      )
      return this.#abort
    })
  }

  /**
   * Lets the handlers that run come to their end, commits what is acknowledged and leaves the group; the rest is
   * delivered again. A handler must not wait for it: abort the `signal`, or call it without `await`.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Calls back once when it is closed, whoever closes it. */
  onClose(callback: () => void): void {
    if (this.#closed) callback()
    else this.#callbacks.push(callback)
  }

  get #name(): string {
    return this.#topics.join(', ')
  }

  async #close(): Promise<void> {
    const { feeds, settings } = this.#consumer
    settings.signal?.removeEventListener('abort', this.#abort)
    this.#stopping.abort()
    feeds.stop()
    try {
      await this.#running
      await this.#consumer.buried()
      await feeds.leave()
    } finally {
      clearInterval(this.#keepAlive)
      this.#closed = true
      for (const callback of this.#callbacks.splice(0)) callback()
    }
  }

  #start(): void {
    if (this.#closing !== undefined) {
      throw new AegisError('SUBSCRIPTION_CLOSED', `the subscription of ${this.#name} is closed: subscribe again`)
    }
    if (this.#active) {
      throw new AegisError(
        'SUBSCRIPTION_BUSY',
        `the subscription of ${this.#name} is being read already: subscribe once more for a second reader`,
      )
    }
    this.#active = true
    // Nothing else does: a program that waits for its next message would end instead.
    this.#keepAlive = setInterval(() => undefined, 2 ** 30)
  }
}
