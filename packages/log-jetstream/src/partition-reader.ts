import type { LogRecord, ReadResult } from '@aegis/log'
import type { Domain } from './domain.ts'
import { lastMessage, messagesFrom, nextMessage } from './messages.ts'
import { endOf, offsetOf, recordsOf, sequenceOf } from './record-message.ts'
import type { Topic } from './topic.ts'

export interface ReadLimits {
  readonly maxRecords: number
  readonly maxBytes: number
}

/** The subject that all records of a partition are on, whatever their keys. */
export const partitionSubject = ({ subjects }: Domain, { config }: Topic, partition: number): string =>
  config.keyed === 'none'
    ? subjects.partition(config.incarnation, partition)
    : subjects.keys(config.incarnation, partition)

/** The offset after the newest record of a topic, as the stream's leader has it; 0 when there never was one. */
export async function topicEnd(domain: Domain, topic: Topic): Promise<number> {
  const newest = await lastMessage(domain, domain.subjects.records(topic.config.incarnation))
  const end = newest === undefined ? 0 : endOf(newest)
  topic.saw(end)
  return end
}

/** At most `maxRecords` records from an offset on; everything that was acknowledged before is seen. */
export async function readPartition(
  domain: Domain,
  topic: Topic,
  partition: number,
  from: number,
  { maxRecords, maxBytes }: ReadLimits,
): Promise<ReadResult> {
  // Asked for first: whatever is found afterwards, nothing below it is missing.
  const end = await topicEnd(domain, topic)
  const { name, keyed } = topic.config
  const records: LogRecord[] = []
  let bytes = 0
  if (from < end) {
    for await (const message of messagesFrom(domain, partitionSubject(domain, topic, partition), sequenceOf(from))) {
      for (const record of recordsOf(name, partition, message, from, keyed === 'history')) records.push(record)
      bytes += message.data.length
      if (records.length > maxRecords) {
        return { records: records.slice(0, maxRecords), nextOffset: records[maxRecords]!.offset, bytes }
      }
      const nextOffset = Math.max(from, endOf(message))
      if (records.length === maxRecords || (bytes >= maxBytes && records.length > 0))
        return { records, nextOffset, bytes }
      if (nextOffset >= end) break
    }
  }
  return { records, nextOffset: Math.max(end, from), bytes }
}

/** The offset below which the records of a partition are gone. */
export async function firstOffset(domain: Domain, topic: Topic, partition: number): Promise<number> {
  const first = await nextMessage(domain, partitionSubject(domain, topic, partition), 1)
  return first === undefined ? 0 : offsetOf(first.sequence)
}
