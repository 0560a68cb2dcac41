import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Observable } from 'rxjs'
import { Consumer } from './consumer.ts'
import type { Decode } from './delivery.ts'
import type { Feed, PartitionOfTopic, SeekTo, TopicLag } from './feed.ts'
import { Feeds } from './feeds.ts'
import { HandlerCalls } from './handler-calls.ts'
import type { Instrumentation } from './instrumentation.ts'
import { Intake } from './intake.ts'
import { ItemIterator } from './iterator.ts'
import type { CloseOptions, RunOptions, SubscriptionOptions } from './options.ts'
import { runExactlyOnce } from './run-exactly-once.ts'
import { OrderedRun } from './run-ordered.ts'
import { RunRate } from './run-rate.ts'
import { checkOptions, checkRunOptions, checkSeek, duration, invalid } from './settings.ts'
import { SharedGroup } from './shared-group.ts'
import type { SubscriptionStatus } from './status.ts'

/**
 * What a handler does with an item. `tx` is there under exactly-once: what is written with it and the acknowledgement
 * are one commit. The handler may be run again, so it should have no other effects then.
 */
export type Handler<Item> = (item: Item, tx: Transaction) => Promise<void> | void

/** The items of one topic or several: as an async iterator, by a handler, or as an Observable; one of them, once. */
export class Subscription<Item> implements AsyncIterable<Item>, AsyncDisposable {
  readonly #consumer: Consumer<Item>
  readonly #instrumentation: Instrumentation<Item> | undefined
  readonly #stopping = new AbortController()
  readonly #abort = (): void => void this.close().catch((error: unknown) => this.#consumer.feeds.fail(error))
  readonly #callbacks: (() => void)[] = []
  #active = false
  #closed = false
  #calls: HandlerCalls | undefined
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined
  /** Handlers that are at work are not waited for any more. */
  #giveUp: () => void = () => undefined
  readonly #givenUp = new Promise<void>(resolve => {
    this.#giveUp = resolve
  })
  #keepAlive: NodeJS.Timeout | undefined

  private constructor(consumer: Consumer<Item>, instrumentation: Instrumentation<Item> | undefined) {
    this.#consumer = consumer
    this.#instrumentation = instrumentation
  }

  /**
   * Resolves when the start is fixed, and committed for groups: what is appended afterwards arrives. `decode` makes
   * items of records. A list of topics is taken in turn; each keeps its own order, and those of the list may be deleted.
   * @throws AegisError `SUBSCRIPTION_INVALID`, `TOPIC_UNKNOWN`
   */
  static async open<Item>(
    log: Log,
    topics: string | readonly string[],
    decode: Decode<Item>,
    options: SubscriptionOptions = {},
    instrumentation?: Instrumentation<Item>,
  ): Promise<Subscription<Item>> {
    const names = typeof topics === 'string' ? [topics] : [...new Set(topics)]
    const { key, wants, prepare } = decode
    const settings = {
      ...checkOptions(names.join(', '), options),
      ...(key && { key }),
      ...(wants && { wants }),
      ...(prepare && { prepare }),
    }
    const { signal } = settings
    if (isAborted(signal)) throw signal?.reason ?? new DOMException('This operation was aborted', 'AbortError')
    const subscription = new Subscription(
      new Consumer(log, decode, settings, new Feeds(typeof topics !== 'string')),
      instrumentation,
    )
    try {
      for (const topic of names) await subscription.#open(topic)
    } catch (error) {
      await subscription.close()
      throw error
    }
    signal?.addEventListener('abort', subscription.#abort, { once: true })
    if (isAborted(signal)) await subscription.close()
    return subscription
  }

  /** What it takes items of: those it was opened with and those added since, without those that were deleted. */
  get topics(): readonly string[] {
    return this.#consumer.feeds.topics
  }

  /**
   * Takes another topic as well, by default from its beginning if the group has no position there: a topic that was made
   * later has nothing that is to be left out.
   * @throws AegisError `SUBSCRIPTION_CLOSED`, `SUBSCRIPTION_INVALID` unless it was opened with a list, `TOPIC_UNKNOWN`
   */
  async add(topic: string, from: SeekTo = 'earliest'): Promise<void> {
    this.#checkOpen()
    if (!this.#consumer.feeds.list)
      invalid(`topic ${topic} cannot be added: open the subscription with a list of topics`)
    if (!this.topics.includes(topic)) await this.#open(topic, checkSeek('from', from))
  }

  /**
   * Leaving the loop closes the subscription: what was fetched and not acknowledged is delivered again to the group.
   * @throws AegisError `SUBSCRIPTION_BUSY`, `SUBSCRIPTION_CLOSED`; while iterating what ends the log or, without a group,
   * what cannot be read
   */
  [Symbol.asyncIterator](): ItemIterator<Item> {
    this.#start()
    const iterator = new ItemIterator(this.#consumer, () => this.close(), this.#instrumentation)
    if (this.#instrumentation !== undefined) this.onClose(() => iterator.forget())
    return iterator
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
    const checked = checkRunOptions(handler, options, this.#consumer.settings.shared)
    this.#start()
    const consumer = this.#consumer
    const closing = this.#stopping.signal
    const watch = this.#instrumentation
    const handle: Handler<Item> =
      watch === undefined ? handler : (item, tx) => watch.handling(item, () => handler(item, tx))
    const calls = new HandlerCalls()
    this.#calls = calls
    const exactlyOnce = consumer.settings.delivery === 'exactly-once'
    consumer.feeds.keepsOrder = exactlyOnce || checked.order !== 'none'
    const rate = checked.rate && new RunRate(checked.rate, consumer)
    const work = exactlyOnce
      ? runExactlyOnce({ consumer, handler: handle, calls, closing, rate }, checked.concurrency)
      : new OrderedRun(consumer, handle, checked, rate, calls, closing).run()
    this.#running = work.catch(() => undefined)
    try {
      await Promise.race([work, this.#givenUp])
    } catch (error) {
      // What cannot be closed any more fails for the same reason.
      await this.#close().catch(() => undefined)
      throw error
    }
    await this.#close()
  }

  /**
   * Nothing is handed over until `resume`, `of` one partition (`pause(message)` is that of the message) or of all. What is at
   * work goes on, and what is fetched stays. A partition that goes to another member is not paused there.
   * @throws AegisError `SUBSCRIPTION_INVALID` for a topic that is not subscribed to, and a partition with `mode: 'shared'`
   */
  pause(of?: PartitionOfTopic): void {
    this.#consumer.feeds.pause(true, of)
  }

  /** Of one partition, or of all that are not paused themselves. @throws AegisError as `pause` */
  resume(of?: PartitionOfTopic): void {
    this.#consumer.feeds.pause(false, of)
  }

  /**
   * Goes on from another place: offset in the topic, or time of appending. In a group it moves the group's position in the
   * partitions that this member has, or `of` one of them (`seek({ offset: message.offset }, message)` is back to the message); resolves when that is
   * durable. What was fetched is given up, and acknowledging what was handed over before does nothing.
   * @throws AegisError `SUBSCRIPTION_INVALID`, `SUBSCRIPTION_CLOSED`
   */
  async seek(to: SeekTo, of?: PartitionOfTopic): Promise<void> {
    checkSeek('seek', to)
    this.#checkOpen()
    if (of === undefined && typeof to === 'object' && 'offset' in to && this.topics.length > 1) {
      invalid(
        `seek to an offset of ${this.topics.length} topics: each has its own, give a time, or one of their partitions`,
      )
    }
    await this.#consumer.feeds.seek(to, of)
  }

  /**
   * Resolves when everything acknowledged so far is durable.
   * @throws AegisError `GENERATION_FENCED` when this member was silent for too long and another has its partitions: it is delivered
   * what was not durable
   */
  commit(): Promise<void> {
    return this.#consumer.feeds.commit()
  }

  /** How many records the group has still to read of each partition, by its committed positions. */
  lag(): Promise<TopicLag[]> {
    return this.#consumer.feeds.lag()
  }

  /** The lag at once and then every `interval` (milliseconds or `'5s'`, default a second) until it is closed. */
  async *watchLag({ interval = '1s' }: { readonly interval?: number | string } = {}): AsyncGenerator<TopicLag[]> {
    const wait = duration('interval', interval)
    const { signal } = this.#stopping
    while (!signal.aborted) {
      yield await this.lag()
      await sleep(wait, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** What happens to it, for as many as want to know: first how things stand, then each change until it is closed. */
  status(): AsyncIterableIterator<SubscriptionStatus, undefined> {
    return this.#consumer.feeds.status.watch()
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
   * delivered again. Called by a handler it waits for the others only, and leaves the group when that one has ended.
   * @throws AegisError `SUBSCRIPTION_INVALID`
   */
  async close({ timeout }: CloseOptions = {}): Promise<void> {
    if (timeout !== undefined) {
      const timer = setTimeout(() => this.#giveUp(), duration('timeout', timeout))
      this.onClose(() => clearTimeout(timer))
    }
    const calls = this.#calls
    if (calls?.areCalling !== true) return this.#close()
    // `run` gets what goes wrong.
    this.#close().catch(() => undefined)
    await Promise.race([calls.othersEnded(), this.#givenUp])
    await this.commit()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Calls back once when it is closed, whoever closes it. */
  onClose(callback: () => void): void {
    if (this.#closed) callback()
    else this.#callbacks.push(callback)
  }

  async #open(topic: string, from = this.#consumer.settings.from): Promise<void> {
    const { log, settings, feeds } = this.#consumer
    const own = { ...settings, from }
    const feed: Feed = settings.shared
      ? await SharedGroup.join(log, topic, own, feeds)
      : await Intake.open(log, topic, own, feeds)
    // Closed meanwhile: nobody else would leave the group.
    if (feeds.closed) await feed.leave()
    else feeds.add(feed)
  }

  #close(): Promise<void> {
    this.#closing ??= this.#leave()
    return this.#closing
  }

  async #leave(): Promise<void> {
    const { feeds, settings } = this.#consumer
    settings.signal?.removeEventListener('abort', this.#abort)
    this.#stopping.abort()
    feeds.stop()
    try {
      await Promise.race([this.#running, this.#givenUp])
      await this.#consumer.settled()
      await feeds.leave()
    } finally {
      clearInterval(this.#keepAlive)
      this.#closed = true
      feeds.report({ type: 'closed', ...feeds.failure })
      for (const callback of this.#callbacks.splice(0)) callback()
    }
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new AegisError(
      'SUBSCRIPTION_CLOSED',
      `the subscription of ${this.topics.join(', ')} is closed: subscribe again`,
    )
  }

  #start(): void {
    this.#checkOpen()
    if (this.#active) {
      throw new AegisError(
        'SUBSCRIPTION_BUSY',
        `the subscription of ${this.topics.join(', ')} is being read already: subscribe once more for a second reader`,
      )
    }
    this.#active = true
    // Nothing else does: a program that waits for its next message would end instead.
    this.#keepAlive = setInterval(() => undefined, 2 ** 30)
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true
