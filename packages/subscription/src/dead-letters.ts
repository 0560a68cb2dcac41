import type { Header, Log, OutgoingRecord } from '@aegis/log'
import type { Delivery } from './delivery.ts'

/** Where the records of a topic go that a group could not handle. */
export const deadLetterTopic = (topic: string): string => `${topic}.dead`

// What the headers add must not make the record too large for the topic.
const roomForHeaders = 16_384
const longestReason = 1000
const longestError = 8000

/** In one transaction: the dead letter is there and the message is acknowledged, or neither. */
export async function bury(log: Log, delivery: Delivery, groupId: string, reason: unknown): Promise<void> {
  const { partition } = delivery
  const { source } = partition
  await deadLetterTopicThere(log, source.topic)
  await log.transaction(tx => {
    tx.append(deadLetterTopic(source.topic), deadLetter(delivery, groupId, reason))
    // What was never to be delivered twice is acknowledged since before it was delivered.
    if (partition.tracked) source.stage(tx, partition, [delivery])
  })
  if (partition.tracked) source.touched(partition)
}

const creating = new WeakMap<Log, Map<string, Promise<void>>>()

/** Those who need it at the same time wait for the same thing, and go on in the order in which they came. */
function deadLetterTopicThere(log: Log, topic: string): Promise<void> {
  let known = creating.get(log)
  if (known === undefined) creating.set(log, (known = new Map()))
  const before = known.get(topic)
  if (before !== undefined) return before
  const created = createDeadLetterTopic(log, topic).finally(() => known.delete(topic))
  known.set(topic, created)
  return created
}

/** Makes the topic of the dead letters, like the one that they come from. */
async function createDeadLetterTopic(log: Log, topic: string): Promise<void> {
  const { codec, maxMessageSize } = log.topic(topic)
  const name = deadLetterTopic(topic)
  const exists = (await log.listTopics()).some(other => other.name === name)
  if (exists) return
  const limit = Math.min(maxMessageSize + roomForHeaders, log.capabilities.maxMessageSize)
  await log.createTopic(name, { codec, maxMessageSize: limit })
}

/** The record as it was, with where it comes from and why it is here in its headers. */
function deadLetter({ record, attempts }: Delivery, groupId: string, reason: unknown): OutgoingRecord {
  const { topic, partition, offset, key, value, timestamp, headers, version } = record
  const about: Record<string, string> = {
    'dead-letter-group': groupId,
    'dead-letter-topic': topic,
    'dead-letter-partition': String(partition),
    'dead-letter-offset': String(offset),
    ...(version !== undefined && { 'dead-letter-version': String(version) }),
    'dead-letter-attempts': String(attempts),
    'dead-letter-reason': reasonOf(reason).slice(0, longestReason).toWellFormed(),
  }
  if (reason instanceof Error) {
    about['dead-letter-error'] = (reason.stack ?? reasonOf(reason)).slice(0, longestError).toWellFormed()
  }
  const added = Object.entries(about).map(([name, text]): Header => ({ key: name, value: Buffer.from(text) }))
  return { key, value, timestamp, headers: [...headers, ...added] }
}

/** What an error says of itself, for the dead letter. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error)
