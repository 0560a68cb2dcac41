import {
  type AlterTopicOptions,
  type Log,
  type OpenLogOptions,
  openLog,
  type Readable,
  type TopicDescription,
  type TopicOptions,
  type Transaction,
  type Untyped,
} from '@aegis/log'
import { AegisError } from '@aegis/storage'
import {
  type CloseOptions,
  type RedriveOptions,
  redrive,
  type Subscription,
  type SubscriptionOptions,
} from '@aegis/subscription'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkKnown } from './checked-options.ts'
import { type HistoryOptions, readHistory } from './history.ts'
import { knownTopic, nameOf } from './known-topic.ts'
import type { Message, StoredMessage } from './message.ts'
import { MessageIds } from './message-ids.ts'
import type { DelayedMessage, OutgoingMessage, PublishResult } from './outgoing-message.ts'
import { type MessageSource, type PublishFromOptions, publishAllOf } from './publish-from.ts'
import { PublishLimit, type PublishLimitOptions } from './publish-limit.ts'
import { type AnyTopic, checkedList, isPlain, Publisher } from './publisher.ts'
import { type PubSubTransaction, publishWithin } from './pubsub-transaction.ts'
import { addressHeaders } from './request-reply/reply.ts'
import { checkedTimeout, Requester, type RequestOptions } from './request-reply/requester.ts'
import { type Responder, type RespondHandler, type RespondOptions, startResponder } from './request-reply/responder.ts'
import { Scheduler } from './schedule/scheduler.ts'
import { type ScheduledMessage, Schedules } from './schedule/schedules.ts'
import { payloadDecoder, type Subscribed, type SubscribeOptions } from './subscribe.ts'
import { Subscriptions } from './subscriptions.ts'
import { Telemetry } from './telemetry.ts'
import { type Topic, validated } from './topic.ts'

export interface PubSubOptions {
  /** What subscriptions get that do not say otherwise. */
  readonly consumer?: Omit<SubscriptionOptions, 'groupId' | 'signal'>
  /** How much may be on its way to the log at the same time, and what becomes of messages beyond it. Default: no limit. */
  readonly publishLimit?: PublishLimitOptions
}

/** Durable publish and subscribe over a log. */
export class PubSub implements AsyncDisposable {
  /** What is to come into topics later: delayed messages, and cron schedules. */
  readonly schedules: Schedules
  readonly #log: Log
  readonly #subscriptions: Subscriptions
  readonly #messageIds: MessageIds
  readonly #scheduler: Scheduler
  readonly #publisher: Publisher
  readonly #requester: Requester
  readonly #telemetry = Telemetry.load()
  #owned = false

  /** Uses the log and never closes it. */
  constructor(log: Log, { consumer = {}, publishLimit }: PubSubOptions = {}) {
    this.#log = log
    this.#subscriptions = new Subscriptions(log, consumer, this.#telemetry)
    this.#messageIds = new MessageIds(log)
    this.#scheduler = new Scheduler(log, this.#messageIds)
    this.#publisher = new Publisher(log, {
      messageIds: this.#messageIds,
      scheduler: this.#scheduler,
      limit: publishLimit === undefined ? undefined : new PublishLimit(publishLimit),
      telemetry: this.#telemetry,
    })
    this.#requester = new Requester(log)
    this.schedules = new Schedules(log, this.#scheduler)
  }

  /** Opens a log, and closes it on `close()`. */
  static async open({ consumer, publishLimit, ...options }: OpenLogOptions & PubSubOptions): Promise<PubSub> {
    const log = await openLog(options)
    try {
      const pubsub = new PubSub(log, { ...(consumer && { consumer }), ...(publishLimit && { publishLimit }) })
      pubsub.#owned = true
      return pubsub
    } catch (error) {
      await log.close()
      throw error
    }
  }

  /**
   * Resolves also when the topic exists with the same settings. Those given here go before those of a definition.
   * @throws AegisError `TOPIC_EXISTS` with what differs, `TOPIC_NAME_INVALID`, `LOG_INVALID`
   */
  async createTopic(topic: AnyTopic, options?: TopicOptions): Promise<TopicDescription> {
    const name = nameOf(topic)
    const settings = typeof topic === 'string' ? options : { ...topic.options, ...options }
    const created = await this.#log.createTopic(name, settings)
    // Who has subscribed to its pattern has it when this resolves.
    await this.#subscriptions.takeUpTopics()
    return created
  }

  /** Changes retention, the number of partitions or the largest message. @throws AegisError `TOPIC_UNKNOWN`, `LOG_INVALID` */
  async alterTopic(topic: string | Readable<unknown>, options: AlterTopicOptions): Promise<TopicDescription> {
    return this.#log.alterTopic(nameOf(topic), options)
  }

  /**
   * Deletes the topic with all its messages, those that are still to come and the positions of its groups.
   * @throws AegisError `TOPIC_UNKNOWN`
   */
  async deleteTopic(topic: string | Readable<unknown>): Promise<void> {
    const name = nameOf(topic)
    await this.#log.deleteTopic(name)
    for (const { id } of await this.schedules.list({ topic: name, limit: Infinity })) await this.schedules.cancel(id)
  }

  /**
   * Resolves when the message is durable; a delayed one when it is sure to come into its topic.
   * @throws AegisError `TOPIC_UNKNOWN`, `PAYLOAD_INVALID`, `SCHEMA_MISMATCH`, `MESSAGE_INVALID`, `RECORD_TOO_LARGE`, `PARTITION_UNKNOWN`
   */
  publish<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    message: OutgoingMessage<NoInfer<In>>,
  ): Promise<PublishResult>
  publish<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    message: DelayedMessage<NoInfer<In>>,
  ): Promise<ScheduledMessage>
  publish(topic: AnyTopic, message: OutgoingMessage | DelayedMessage): Promise<PublishResult | ScheduledMessage> {
    // A plain function with one promise: an asynchronous one costs as much as encoding the message.
    try {
      if (this.#telemetry === undefined) return this.#publishKnown(topic, message)
      return this.#telemetry.publishing(nameOf(topic), 1, () => this.#publishKnown(topic, message))
    } catch (error) {
      if (!AegisError.is(error, 'TOPIC_UNKNOWN')) return Promise.reject(error)
      // Another process may have created it a moment ago.
      return this.#log.describeTopic(nameOf(topic)).then(() => this.#publishKnown(topic, message))
    }
  }

  /**
   * All in one commit; the results are in the order of the messages. Of delayed messages the list is all.
   * @throws AegisError as `publish`: then none is published
   */
  publishMany<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    messages: readonly OutgoingMessage<NoInfer<In>>[],
  ): Promise<PublishResult[]>
  publishMany<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    messages: readonly DelayedMessage<NoInfer<In>>[],
  ): Promise<ScheduledMessage[]>
  async publishMany(
    topic: AnyTopic,
    messages: readonly (OutgoingMessage | DelayedMessage)[],
  ): Promise<(PublishResult | ScheduledMessage)[]> {
    const { name } = await knownTopic(this.#log, nameOf(topic))
    const list = checkedList(name, messages)
    if (list.length === 0) return []
    const publish = (): Promise<(PublishResult | ScheduledMessage)[]> =>
      list.every(isPlain) ? this.#publisher.publishTogether(topic, list) : this.#publisher.publish(topic, list)
    return this.#telemetry === undefined ? publish() : this.#telemetry.publishing(name, list.length, publish)
  }

  /**
   * Messages for several topics in one commit: `publishTo([orders, message], ['audit', message])`. The results are in the order of
   * the messages.
   * @throws AegisError as `publish`: then none is published
   */
  async publishTo<In extends readonly unknown[]>(
    ...messages: {
      [At in keyof In]: readonly [topic: string | Topic<In[At], Untyped>, message: OutgoingMessage<NoInfer<In[At]>>]
    }
  ): Promise<PublishResult[]> {
    const publish = (): Promise<PublishResult[]> => this.#publisher.publishTo(messages)
    if (this.#telemetry === undefined) return publish()
    const topics = [...new Set(messages.map(([topic]) => nameOf(topic)))].join(', ')
    return this.#telemetry.publishing(topics, messages.length, publish)
  }

  /**
   * Publishes what an iterable, an asynchronous iterable or an Observable gives, in its order, and takes no more of it than can be
   * published. An Observable cannot be slowed down: what comes faster waits, up to `buffer` messages. Resolves with their number when
   * the source has ended and all are durable.
   * @throws AegisError as `publish`, `PUBLISH_LIMIT`, and what the source throws; what was published before stays
   */
  async publishFrom<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    source: MessageSource<OutgoingMessage<NoInfer<In>>>,
    options: PublishFromOptions = {},
  ): Promise<number> {
    return publishAllOf(source, message => this.publish(topic, message), options)
  }

  /**
   * Publishes a message and resolves with the payload that a responder has replied. However many wait, their replies come by one
   * reader; one that is late is dropped.
   * @throws AegisError as `publish`, `REQUEST_TIMEOUT`, `REQUEST_FAILED` with what the responder has thrown, `SCHEMA_MISMATCH`,
   * `PUBSUB_CLOSED`, and the reason of the signal
   */
  async request<In = Untyped, S extends StandardSchemaV1 = StandardSchemaV1<Untyped>>(
    topic: string | Topic<In, Untyped>,
    message: OutgoingMessage<NoInfer<In>> & { readonly messageId?: undefined; readonly ttl?: undefined },
    options: RequestOptions<S> = {},
  ): Promise<StandardSchemaV1.InferOutput<S>> {
    checkKnown('request', options, ['timeout', 'reply', 'signal'])
    const { timeout = '10s', reply, signal } = options
    const milliseconds = checkedTimeout(timeout)
    const { name } = await knownTopic(this.#log, nameOf(topic))
    const request: OutgoingMessage = { ...message, ttl: milliseconds }
    if (!isPlain(request) || message?.ttl !== undefined) {
      throw new AegisError('MESSAGE_INVALID', `a request to ${name} has no messageId, deliverAt, delay or ttl`)
    }
    const payload = await this.#requester.request(
      name,
      address => this.#publisher.publishOne(topic, request, addressHeaders(address)),
      milliseconds,
      signal,
    )
    return reply === undefined ? payload : validated(reply, name, payload)
  }

  /**
   * Answers the requests of a topic, each by one of those who respond with the same `groupId` (default `'responders'`): with what the
   * handler returns, or with the error that it throws. Requests that nobody waits for any more are left out.
   * @throws AegisError as `subscribe`, `PUBSUB_INVALID`
   */
  async respond<Out = Untyped>(
    topic: string | Readable<Out>,
    handler: RespondHandler<Out>,
    { concurrency, order, rate, ...options }: RespondOptions<NoInfer<Out>> = {},
  ): Promise<Responder> {
    const subscribe = () => this.subscribe(topic, { groupId: 'responders', ...options })
    return startResponder(this.#log, subscribe, handler, {
      ...(concurrency !== undefined && { concurrency }),
      ...(order !== undefined && { order }),
      ...(rate !== undefined && { rate }),
    })
  }

  /**
   * The messages of a topic, or of several: alone all of them, with a `groupId` shared among the members of the group. What is
   * published after it resolves arrives; before, where `from` says so. In a pattern `*` stands for a text without dots, `**` for
   * any text; topics that match and are created later are taken up from their beginning.
   * @throws AegisError `TOPIC_UNKNOWN`, `SUBSCRIPTION_INVALID`, `PUBSUB_INVALID`, `PUBSUB_CLOSED`
   */
  async subscribe<Out = Untyped>(
    topic: Subscribed<Out>,
    options: SubscribeOptions<NoInfer<Out>> = {},
  ): Promise<Subscription<Message<Out>>> {
    return this.#subscriptions.open(topic, options)
  }

  /**
   * Messages that a topic has, over all its partitions in the order of offsets: the newest `limit`; with `after` the first
   * that follow this offset, with `before` the last below it.
   * @throws AegisError `TOPIC_UNKNOWN`, `PUBSUB_INVALID`, and what cannot be decoded throws
   */
  async history<Out = Untyped>(
    topic: string | Readable<Out>,
    options: HistoryOptions = {},
  ): Promise<StoredMessage<Out>[]> {
    const description = await knownTopic(this.#log, nameOf(topic))
    return readHistory(this.#log, description.name, payloadDecoder(topic, description), options)
  }

  /**
   * Gives a group its dead letters back, with their attempts counted anew; other groups do not get them. Resolves with how many they are.
   * @throws AegisError `TOPIC_UNKNOWN`
   */
  async redrive(topic: string | Readable<unknown>, groupId: string, options?: RedriveOptions): Promise<number> {
    const { name } = await knownTopic(this.#log, nameOf(topic))
    return redrive(this.#log, name, groupId, options)
  }

  /** Publishing inside a transaction of the log. */
  within(tx: Transaction): PubSubTransaction {
    return publishWithin(tx, this.#publisher)
  }

  /**
   * Brings what is due into its topics and forgets message ids whose messages are gone. It happens by itself; tests with a
   * clock of their own call it.
   */
  async runMaintenance(): Promise<void> {
    await this.#scheduler.moveDue()
    await this.#messageIds.sweepAll()
  }

  /**
   * Ends the subscriptions, with what is acknowledged committed, and closes the log if it was opened here. Handlers are waited for, with
   * `timeout` no longer than that.
   * @throws AegisError `SUBSCRIPTION_INVALID`
   */
  async close(options: CloseOptions = {}): Promise<void> {
    // Also what comes after one that fails: whose disk has failed wants to open the folder again.
    try {
      await this.#subscriptions.close(options)
    } finally {
      await Promise.all([this.#scheduler.close(), this.#messageIds.close(), this.#requester.close()])
      if (this.#owned) await this.#log.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #publishKnown(topic: AnyTopic, message: OutgoingMessage | DelayedMessage): Promise<PublishResult | ScheduledMessage> {
    if (!isPlain(message)) return this.#publisher.publish(topic, [message]).then(([result]) => result!)
    return this.#publisher.publishOne(topic, message)
  }
}
