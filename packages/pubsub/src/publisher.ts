import type { Header, Log, OutgoingRecord, Receipt, TopicDescription, Transaction, Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { IdentifiedBatches } from './identified-batches.ts'
import { knownTopic, nameOf } from './known-topic.ts'
import type { IdentifiedReceipt, IdentifiedRecord, MessageIds } from './message-ids.ts'
import {
  type DelayedMessage,
  dueTime,
  encodeMessage,
  type OutgoingMessage,
  type PublishResult,
  type PublishRules,
  withExpiry,
} from './outgoing-message.ts'
import { type PublishLimit, sizeOfRecord } from './publish-limit.ts'
import { Bursts } from './schedule/bursts.ts'
import type { Scheduler } from './schedule/scheduler.ts'
import { type ScheduledMessage, schedule, scheduleKnown } from './schedule/schedules.ts'
import type { ScheduledRecord } from './schedule/stored-schedule.ts'
import type { Telemetry } from './telemetry.ts'
import type { Topic } from './topic.ts'

export type AnyTopic = string | Topic<Untyped, unknown>

export const isDelayed = (message: OutgoingMessage | DelayedMessage): message is DelayedMessage =>
  message?.deliverAt !== undefined || message?.delay !== undefined

/** Whether a message is just to be appended. */
export const isPlain = (message: OutgoingMessage | DelayedMessage): message is OutgoingMessage =>
  message?.messageId === undefined && !isDelayed(message)

export const rulesOf = (topic: AnyTopic): PublishRules | undefined => (typeof topic === 'string' ? undefined : topic)

/** What publishing is made of. */
export interface PublisherParts {
  readonly messageIds: MessageIds
  readonly scheduler: Scheduler
  readonly limit: PublishLimit | undefined
  readonly telemetry: Telemetry | undefined
}

/** What publishing means inside a transaction: of plain messages, of those with an id and of those for later. */
export class Publisher {
  readonly #log: Log
  readonly #messageIds: MessageIds
  readonly #batches: IdentifiedBatches
  readonly #scheduler: Scheduler
  readonly #limit: PublishLimit | undefined
  readonly #telemetry: Telemetry | undefined
  readonly #bursts = new Bursts<ScheduledMessage[]>()

  constructor(log: Log, { messageIds, scheduler, limit, telemetry }: PublisherParts) {
    this.#log = log
    this.#messageIds = messageIds
    this.#batches = new IdentifiedBatches(log, messageIds)
    this.#scheduler = scheduler
    this.#limit = limit
    this.#telemetry = telemetry
  }

  /** The record of a message that comes into its topic now. */
  encode(topic: TopicDescription, message: OutgoingMessage, rules: PublishRules | undefined): OutgoingRecord {
    const record = this.#withContext(encodeMessage(topic, message, rules))
    return message.ttl === undefined ? record : withExpiry(topic.name, record, message.ttl, this.#log.now())
  }

  /** A record of its own, of a message that is just to be appended, with headers that say whom a reply is for. */
  publishOne(topic: AnyTopic, message: OutgoingMessage, more: readonly Header[] = []): Promise<PublishResult> {
    const name = nameOf(topic)
    let record = this.encode(this.#log.topic(name), message, rulesOf(topic))
    if (more.length > 0) record = { ...record, headers: [...(record.headers ?? []), ...more] }
    if (this.#limit === undefined) return this.#log.appendOne(name, record)
    return this.#limited(name, [record], () => this.#log.appendOne(name, record))
  }

  /** Of messages that are just to be appended, in one commit. */
  async publishTogether(topic: AnyTopic, messages: readonly OutgoingMessage[]): Promise<PublishResult[]> {
    const description = await knownTopic(this.#log, nameOf(topic))
    const { name } = description
    const rules = rulesOf(topic)
    const records = messages.map(message => this.encode(description, message, rules))
    const { positions } = await this.#limited(name, records, () => this.#log.append(name, records))
    return [...positions]
  }

  /** In a transaction of its own. */
  async publish(
    topic: AnyTopic,
    messages: readonly (OutgoingMessage | DelayedMessage)[],
  ): Promise<(PublishResult | ScheduledMessage)[]> {
    const delayed = messages.filter(isDelayed)
    const now = messages.filter(message => !isDelayed(message))
    const name = nameOf(topic)
    if (delayed.length > 0 && now.length > 0) {
      throw new AegisError(
        'MESSAGE_INVALID',
        `publishMany on topic ${name} takes messages for now or for later: give those for later a call of their own`,
      )
    }
    const description = await knownTopic(this.#log, name)
    if (now.length === 0) {
      const prepared = delayed.map(message => this.#prepareDelayed(description, topic, message))
      const records = prepared.map(({ scheduled }) => scheduled.record)
      const write = (): Promise<ScheduledMessage[]> =>
        this.#log.transaction(async tx => {
          const written: ScheduledMessage[] = []
          for (const { scheduled, dueAt } of prepared) {
            written.push(await scheduleKnown(tx, this.#scheduler, description, scheduled, dueAt))
          }
          return written
        })
      const debounce = prepared.length === 1 ? prepared[0]!.scheduled.debounce : undefined
      if (debounce === undefined) return this.#limited(name, records, write)
      return this.#limited(name, records, () => this.#bursts.write(`${description.incarnation}/${debounce}`, write))
    }
    const identified = this.#identified(description, topic, now)
    const [{ record, messageId } = {}] = identified
    const publish = async (): Promise<PublishResult[]> => {
      if (identified.length === 1 && record !== undefined && messageId !== undefined) {
        return [await this.#batches.publish(description, record, messageId)]
      }
      const receipt = await this.#log.transaction(tx => this.#messageIds.append(tx, description, identified))
      return [...receipt.positions]
    }
    const records = identified.map(({ record }) => record)
    return this.#limited(name, records, publish)
  }

  /** Of messages for several topics, in one commit; those with an id only if they are not there yet. */
  async publishTo(messages: readonly (readonly [AnyTopic, OutgoingMessage])[]): Promise<PublishResult[]> {
    const topics = new Map<string, { readonly description: TopicDescription; readonly records: IdentifiedRecord[] }>()
    const places: { readonly name: string; readonly at: number }[] = []
    for (const each of messages) {
      if (!Array.isArray(each)) {
        throw new AegisError('MESSAGE_INVALID', 'publishTo takes [topic, message] of each message')
      }
      const [topic, message] = each
      const name = nameOf(topic)
      if (isDelayed(message)) {
        throw new AegisError('MESSAGE_INVALID', `publishTo takes no deliverAt or delay, as of the message for ${name}`)
      }
      const known = topics.get(name)
      const { description, records } = known ?? { description: await knownTopic(this.#log, name), records: [] }
      if (known === undefined) topics.set(name, { description, records })
      places.push({ name, at: records.length })
      records.push(...this.#identified(description, topic, [message]))
    }
    const all = [...topics.values()].flatMap(({ records }) => records.map(({ record }) => record))
    const receipts = await this.#limited([...topics.keys()].join(', '), all, () =>
      this.#log.transaction(async tx => {
        const written: [topic: string, receipt: IdentifiedReceipt][] = []
        for (const [name, { description, records }] of topics) {
          written.push([name, await this.#messageIds.append(tx, description, records)])
        }
        return written
      }),
    )
    const positions = new Map(receipts.map(([name, receipt]) => [name, receipt.positions]))
    return places.map(({ name, at }) => positions.get(name)![at]!)
  }

  /** At once: none of the messages has an id. */
  append(tx: Transaction, topic: AnyTopic, messages: readonly OutgoingMessage[]): Receipt {
    const description = this.#log.topic(nameOf(topic))
    return tx.append(
      description.name,
      messages.map(message => this.encode(description, message, rulesOf(topic))),
    )
  }

  /** Those with an id only if they are not there yet. */
  async appendOnce(tx: Transaction, topic: AnyTopic, messages: readonly OutgoingMessage[]): Promise<IdentifiedReceipt> {
    const description = await knownTopic(this.#log, nameOf(topic))
    return this.#messageIds.append(tx, description, this.#identified(description, topic, messages))
  }

  /** For later, of a message that is nothing to another. */
  schedule(tx: Transaction, topic: AnyTopic, message: DelayedMessage): ScheduledMessage {
    const { scheduled, dueAt } = this.#prepareDelayed(this.#log.topic(nameOf(topic)), topic, message)
    return schedule(tx, this.#scheduler, scheduled, dueAt)
  }

  /** For later; one with an id only once, and one that is debounced in the place of the one before. */
  async scheduleKnown(tx: Transaction, topic: AnyTopic, message: DelayedMessage): Promise<ScheduledMessage> {
    const description = await knownTopic(this.#log, nameOf(topic))
    const { scheduled, dueAt } = this.#prepareDelayed(description, topic, message)
    return scheduleKnown(tx, this.#scheduler, description, scheduled, dueAt)
  }

  #limited<T>(topic: string, records: readonly OutgoingRecord[], publish: () => Promise<T>): Promise<T> {
    if (this.#limit === undefined) return publish()
    return this.#limit.run(
      topic,
      records.reduce((sum, record) => sum + sizeOfRecord(record), 0),
      publish,
    )
  }

  #identified(
    description: TopicDescription,
    topic: AnyTopic,
    messages: readonly OutgoingMessage[],
  ): IdentifiedRecord[] {
    const rules = rulesOf(topic)
    return messages.map(message => ({
      record: this.encode(description, message, rules),
      messageId: message.messageId,
    }))
  }

  #withContext(record: OutgoingRecord): OutgoingRecord {
    if (this.#telemetry === undefined) return record
    return { ...record, headers: this.#telemetry.withContext(record.headers) }
  }

  /** Refused now rather than when it is due. */
  #prepareDelayed(
    description: TopicDescription,
    topic: AnyTopic,
    message: DelayedMessage,
  ): { readonly scheduled: ScheduledRecord; readonly dueAt: number } {
    const { ttl, messageId, debounce } = message
    const { name, maxMessageSize, partitions } = description
    const dueAt = dueTime(name, message, this.#log.now())
    const record = this.#withContext(encodeMessage(description, message, rulesOf(topic)))
    const { partition } = record
    const size = sizeOfRecord(record)
    if (size > maxMessageSize) {
      throw new AegisError(
        'RECORD_TOO_LARGE',
        `a message of ${size} bytes for topic ${name}: its maxMessageSize is ${maxMessageSize}`,
      )
    }
    if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0 && partition < partitions)) {
      throw new AegisError(
        'PARTITION_UNKNOWN',
        `partition ${String(partition)} of topic ${name}: it has 0 to ${partitions - 1}`,
      )
    }
    return { scheduled: { topic: name, record, ttl, messageId, debounce }, dueAt }
  }
}

/** @throws AegisError `MESSAGE_INVALID` */
export function checkedList<T>(topic: string, messages: readonly T[]): readonly T[] {
  if (Array.isArray(messages)) return messages
  throw new AegisError(
    'MESSAGE_INVALID',
    `publishMany on topic ${topic} takes a list of messages, not ${typeof messages}`,
  )
}
