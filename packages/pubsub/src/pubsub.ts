import {
  type Codec,
  decodePayload,
  encodePayload,
  type Log,
  type LogRecord,
  type OpenLogOptions,
  type OutgoingRecord,
  openLog,
  type Receipt,
  type TopicDescription,
  type TopicOptions,
  type Transaction,
  type Untyped,
} from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { Subscription, type SubscriptionOptions } from '@aegis/subscription'

/** A payload, or a tombstone for a key. */
export type OutgoingMessage<T = Untyped> = {
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly partition?: number
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number
} & ({ readonly payload: T; readonly tombstone?: false } | { readonly key: string; readonly tombstone: true })

export interface PublishResult {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
}

export interface Message<T = Untyped> extends PublishResult {
  readonly key: string | null
  /** Without prototype; of equal names the last. All are in `record`. */
  readonly headers: Readonly<Record<string, string>>
  /** `undefined` for a tombstone. */
  readonly payload: T
  readonly record: LogRecord
  ack(): void
}

/** Publishing inside a transaction. */
export interface PubSubTransaction {
  /** Offsets are known after the commit. */
  publish(topic: string, message: OutgoingMessage): Promise<Receipt>
}

export interface PubSubOptions {
  /** What subscriptions get that do not say otherwise. */
  readonly consumer?: Omit<SubscriptionOptions, 'groupId' | 'signal'>
}

/** Durable publish and subscribe over a log. */
export class PubSub implements AsyncDisposable {
  readonly #log: Log
  readonly #consumer: SubscriptionOptions
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

  /** Resolves also when the topic exists with the same settings. */
  async createTopic(name: string, options?: TopicOptions): Promise<TopicDescription> {
    checkName(name)
    return this.#log.createTopic(name, options)
  }

  /** Resolves when the message is durable. @throws AegisError `PAYLOAD_INVALID`, `TOPIC_UNKNOWN` */
  async publish(topic: string, message: OutgoingMessage): Promise<PublishResult> {
    return (await this.publishMany(topic, [message]))[0]!
  }

  /** All in one commit. */
  async publishMany(topic: string, messages: readonly OutgoingMessage[]): Promise<PublishResult[]> {
    checkName(topic)
    const { codec } = await this.#log.describeTopic(topic)
    if (messages.length === 0) return []
    const { positions } = await this.#log.append(
      topic,
      messages.map(message => encode(topic, codec, message)),
    )
    return positions.map(({ partition, offset, timestamp }) => ({ topic, partition, offset, timestamp }))
  }

  /** What is published after it resolves arrives. */
  async subscribe<T = Untyped>(topic: string, options: SubscriptionOptions = {}): Promise<Subscription<Message<T>>> {
    checkName(topic)
    const { codec } = await this.#log.describeTopic(topic)
    const wanted = { ...this.#consumer, ...options }
    return Subscription.open(this.#log, topic, (record, ack) => decode<T>(codec, record, ack), wanted)
  }

  /** Publishes become visible with the transaction. */
  within(tx: Transaction): PubSubTransaction {
    return {
      publish: async (topic, message) => {
        checkName(topic)
        const { codec } = await this.#log.describeTopic(topic)
        return tx.append(topic, encode(topic, codec, message))
      },
    }
  }

  async close(): Promise<void> {
    if (this.#owned) await this.#log.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function checkName(name: string): void {
  if (name.startsWith('$'))
    throw new AegisError('TOPIC_NAME_INVALID', `topic ${name}: names that start with $ are reserved`)
}

function encode(topic: string, codec: Codec, message: OutgoingMessage): OutgoingRecord {
  const { key, headers = {}, partition, timestamp } = message
  return {
    key: key === undefined ? null : Buffer.from(key),
    value: message.tombstone === true ? null : encodePayload(topic, codec, message.payload),
    headers: Object.entries(headers).map(([name, value]) => ({ key: name, value: Buffer.from(value) })),
    ...(partition !== undefined && { partition }),
    ...(timestamp !== undefined && { timestamp }),
  }
}

function decode<T>(codec: Codec, record: LogRecord, ack: () => void): Message<T> {
  const { topic, partition, offset, timestamp, key } = record
  const headers: Record<string, string> = Object.create(null)
  for (const header of record.headers)
    headers[header.key] = header.value === null ? '' : Buffer.from(header.value).toString()
  return {
    topic,
    partition,
    offset,
    timestamp,
    key: key === null ? null : Buffer.from(key).toString(),
    headers,
    payload: decodePayload(codec, record) as T,
    record,
    ack,
  }
}
