import type { PartitionDescription } from '@aegis/log'
import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream'
import { nanos } from '@nats-io/nats-core'
import type { Domain } from './domain.ts'
import { lastMessage, nextMessage } from './messages.ts'
import { partitionSubject, topicEnd } from './partition-reader.ts'
import { endOf, offsetOf, recordCount, recordsOf, sequenceOf } from './record-message.ts'
import type { StoredMessage } from './stored-message.ts'
import type { Topic } from './topic.ts'

/** How many messages are on a subject from a sequence on. */
async function countFrom(domain: Domain, subject: string, sequence: number): Promise<number> {
  const { manager, stream, patience } = domain
  const { name, num_pending } = await patience.request(`counting ${subject}`, () =>
    manager.consumers.add(stream, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, sequence),
      filter_subject: subject,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: nanos(5_000),
    }),
  )
  manager.consumers.delete(stream, name).catch(() => undefined)
  return num_pending
}

/** A guess: the stream counts messages, and the newest one says how many records such a message has. */
export async function recordsFrom(domain: Domain, topic: Topic, partition: number, offset: number): Promise<number> {
  const subject = partitionSubject(domain, topic, partition)
  const last = await lastMessage(domain, subject)
  if (last === undefined || offset >= endOf(last)) return 0
  let next = await nextMessage(domain, subject, sequenceOf(offset))
  // Behind the last record may be truncations: whoever has read everything has nothing left.
  while (next !== undefined && endOf(next) <= Math.max(offset, offsetOf(next.sequence))) {
    next = await nextMessage(domain, subject, next.sequence + 1)
  }
  if (next === undefined) return 0
  const messages = await countFrom(domain, subject, next.sequence)
  const unread = endOf(next) - Math.max(offset, offsetOf(next.sequence))
  return unread + (messages - 1) * recordsLike(last)
}

/** How many records the messages before it may have, too. */
const recordsLike = (message: StoredMessage): number => Math.max(1, recordCount(message))

export async function describePartition(
  domain: Domain,
  topic: Topic,
  partition: number,
): Promise<PartitionDescription> {
  const subject = partitionSubject(domain, topic, partition)
  const last = await lastMessage(domain, subject)
  if (last === undefined) {
    return { partition, startOffset: 0, endOffset: 0, records: 0, bytes: 0, batches: 0, newestTimestamp: null }
  }
  const [first, messages] = await Promise.all([nextMessage(domain, subject, 1), countFrom(domain, subject, 1)])
  // The servers count messages, whatever is in them: a guess by the two ends, exact for two messages and for those alike.
  const ends = [first ?? last, last]
  const mean = (of: (message: StoredMessage) => number): number =>
    Math.round((messages * ends.reduce((sum, message) => sum + of(message), 0)) / ends.length)
  return {
    partition,
    startOffset: offsetOf(ends[0]!.sequence),
    endOffset: endOf(last),
    records: mean(recordCount),
    bytes: mean(({ data }) => data.length),
    batches: messages,
    newestTimestamp: newest(topic, last),
  }
}

const newest = ({ config: { name } }: Topic, message: StoredMessage): number | null =>
  recordsOf(name, 0, message, 0, false).at(-1)?.timestamp ?? null

/** The first offset of a partition whose message the stream took at or after a time, or the end. */
export async function offsetAtTime(domain: Domain, topic: Topic, partition: number, time: number): Promise<number> {
  const end = await topicEnd(domain, topic)
  const sequence = await sequenceAtTime(domain, partitionSubject(domain, topic, partition), time)
  return sequence === undefined ? end : offsetOf(sequence)
}

/** Of the first message on a subject that the stream took at or after a time. */
export async function sequenceAtTime(domain: Domain, subject: string, time: number): Promise<number | undefined> {
  // The times of a stream's messages rise with their sequences.
  let low = 1
  let high = (await domain.lastSequence()) + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const message = await nextMessage(domain, subject, middle)
    if (message === undefined || message.sequence >= high || message.time >= time) high = middle
    else low = message.sequence + 1
  }
  return (await nextMessage(domain, subject, low))?.sequence
}
