import {
  type AlterTopicOptions,
  type Log,
  type LogRecord,
  type OpenLogOptions,
  type OutgoingRecord,
  openLog,
  type Readable,
  type Receipt,
  type TopicDescription,
  type TopicOptions,
  type Transaction,
  type Untyped,
} from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { Subscription, type SubscriptionOptions } from '@aegis/subscription'
import {
  DeliveredMessage,
  decoderOf,
  encodeMessage,
  type Message,
  type OutgoingMessage,
  type PublishResult,
} from './message.ts'
import type { Topic } from './topic.ts'

/** Publishing inside a transaction: all of it becomes visible with the transaction, or nothing does. */
export interface PubSubTransaction {
  /** Offsets are known after the commit. @throws AegisError as `PubSub.publish` */
  publish<In = Untyped>(topic: string | Topic<In, Untyped>, message: OutgoingMessage<NoInfer<In>>): Receipt
  /** @throws AegisError as `PubSub.publish` */
  publishMany<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    messages: readonly OutgoingMessage<NoInfer<In>>[],
  ): Receipt
}

export interface PubSubOptions {
  /** What subscriptions get that do not say otherwise. */
  readonly consumer?: Omit<SubscriptionOptions, 'groupId' | 'signal'>
}

/** Durable publish and subscribe over a log. */
export class PubSub implements AsyncDisposable {
  readonly #log: Log
  readonly #consumer: SubscriptionOptions
  readonly #subscriptions = new Set<{ close(): Promise<void> }>()
  #owned = false

  /** Uses the log and never closes it. */
  constructor(log: Log, { consumer = {} }: PubSubOptions = {}) {
    this.#log = log
    this.#consumer = consumer
  }

  /** Opens a log, and closes it on `close()`. */
  static async open(options: OpenLogOptions): Promise<PubSub> {
    const pubsub = new PubSub(await openLog(options))
    pubsub.#owned = true
    return pubsub
  }

  /**
   * Resolves also when the topic exists with the same settings. Those given here go before those of a definition.
   * @throws AegisError `TOPIC_EXISTS` with what differs, `TOPIC_NAME_INVALID`, `LOG_INVALID`
   */
  async createTopic(topic: string | Topic<Untyped, unknown>, options?: TopicOptions): Promise<TopicDescription> {
    const name = nameOf(topic)
    return this.#log.createTopic(name, typeof topic === 'string' ? options : { ...topic.options, ...options })
  }

  /** Changes retention, the number of partitions or the largest message. @throws AegisError `TOPIC_UNKNOWN`, `LOG_INVALID` */
  async alterTopic(topic: string | Readable<unknown>, options: AlterTopicOptions): Promise<TopicDescription> {
    return this.#log.alterTopic(nameOf(topic), options)
  }

  /** Deletes the topic with all its messages and the positions of its groups. @throws AegisError `TOPIC_UNKNOWN` */
  async deleteTopic(topic: string | Readable<unknown>): Promise<void> {
    await this.#log.deleteTopic(nameOf(topic))
  }

  /**
   * Resolves when the message is durable.
   * @throws AegisError `TOPIC_UNKNOWN`, `PAYLOAD_INVALID`, `SCHEMA_MISMATCH`, `MESSAGE_INVALID`, `RECORD_TOO_LARGE`, `PARTITION_UNKNOWN`
   */
  publish<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    message: OutgoingMessage<NoInfer<In>>,
  ): Promise<PublishResult> {
    // A plain function with one promise: an asynchronous one costs as much as encoding the message.
    try {
      return this.#publishKnown(topic, message)
    } catch (error) {
      if (!AegisError.is(error, 'TOPIC_UNKNOWN')) return Promise.reject(error)
      // Another process may have created it a moment ago.
      return this.#log.describeTopic(nameOf(topic)).then(() => this.#publishKnown(topic, message))
    }
  }

  /** All in one commit; the results are in the order of the messages. @throws AegisError as `publish`: then none is published */
  async publishMany<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    messages: readonly OutgoingMessage<NoInfer<In>>[],
  ): Promise<PublishResult[]> {
    const name = nameOf(topic)
    await this.#known(name)
    const records = this.#encodeAll(name, topic, messages)
    if (records.length === 0) return []
    const { positions } = await this.#log.append(name, records)
    return [...positions]
  }

  /**
   * The messages of a topic: alone all of them, with a `groupId` shared among the members of the group. What is
   * published after it resolves arrives; before, where `from` says so.
   * @throws AegisError `TOPIC_UNKNOWN`, `SUBSCRIPTION_INVALID`
   */
  async subscribe<Out = Untyped>(
    topic: string | Readable<Out>,
    options: SubscriptionOptions = {},
  ): Promise<Subscription<Message<Out>>> {
    const name = nameOf(topic)
    await this.#known(name)
    const decode: (record: LogRecord) => Out =
      typeof topic === 'string' ? decoderOf(this.#log.topic(name)) : record => topic.decode(record)
    const subscription = await Subscription.open<Message<Out>>(
      this.#log,
      name,
      (record, delivered) => new DeliveredMessage(record, delivered, decode),
      { ...this.#defaultsFor(options), ...options },
    )
    this.#subscriptions.add(subscription)
    subscription.onClose(() => this.#subscriptions.delete(subscription))
    return subscription
  }

  /** Publishing inside a transaction of the log. */
  within(tx: Transaction): PubSubTransaction {
    return {
      publish: (topic, message) => {
        const name = nameOf(topic)
        return tx.append(name, this.#encode(name, topic, message))
      },
      publishMany: (topic, messages) => {
        const name = nameOf(topic)
        return tx.append(name, this.#encodeAll(name, topic, messages))
      },
    }
  }

  /** Ends the subscriptions, with what is acknowledged committed, and closes the log if it was opened here. */
  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map(subscription => subscription.close()))
    if (this.#owned) await this.#log.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #defaultsFor({ delivery }: SubscriptionOptions): SubscriptionOptions {
    // Whoever asks for exactly-once does not have to know that the default would not go with it.
    if (delivery !== 'exactly-once') return this.#consumer
    const { autoCommit: _, ...others } = this.#consumer
    return others
  }

  #publishKnown(topic: string | Topic<Untyped, unknown>, message: OutgoingMessage): Promise<PublishResult> {
    const name = nameOf(topic)
    return this.#log.appendOne(name, this.#encode(name, topic, message))
  }

  /** What the log has in memory may lack a topic that another process has just created: then it is asked for. */
  async #known(name: string): Promise<void> {
    try {
      this.#log.topic(name)
    } catch (error) {
      if (!AegisError.is(error, 'TOPIC_UNKNOWN')) throw error
      await this.#log.describeTopic(name)
    }
  }

  #encode(name: string, topic: string | Topic<Untyped, unknown>, message: OutgoingMessage): OutgoingRecord {
    return encodeMessage(this.#log.topic(name), message, validatorOf(topic))
  }

  #encodeAll(
    name: string,
    topic: string | Topic<Untyped, unknown>,
    messages: readonly OutgoingMessage[],
  ): OutgoingRecord[] {
    const description = this.#log.topic(name)
    if (!Array.isArray(messages)) {
      throw new AegisError(
        'MESSAGE_INVALID',
        `publishMany on topic ${name} takes a list of messages, not ${typeof messages}`,
      )
    }
    const validate = validatorOf(topic)
    return messages.map(message => encodeMessage(description, message, validate))
  }
}

const validatorOf = (topic: string | Topic<Untyped, unknown>): ((payload: Untyped) => unknown) | undefined =>
  typeof topic === 'string' ? undefined : topic.validate

/** @throws AegisError `TOPIC_NAME_INVALID` */
function nameOf(topic: string | Readable<unknown>): string {
  const name = typeof topic === 'string' ? topic : topic.topic
  if (name.startsWith('$'))
    throw new AegisError('TOPIC_NAME_INVALID', `topic ${name}: names that start with $ are reserved`)
  return name
}
