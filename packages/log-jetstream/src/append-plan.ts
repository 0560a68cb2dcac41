import type { OutgoingRecord, RecordPosition } from '@aegis/log'
import { partitionForKey } from '@aegis/log'
import { type BatchWriter, noHeaders } from '@aegis/log/driver'
import type { Domain } from './domain.ts'
import type { Head } from './heads.ts'
import type { OutgoingMessage } from './publisher.ts'
import { finishMessage, offsetOf, offsetsPerMessage, recordWriter } from './record-message.ts'
import type { Topic } from './topic.ts'
import { sizeOf } from './topic-writer.ts'

/** A record with its bytes and its partition. */
export interface PlacedRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: NonNullable<OutgoingRecord['headers']>
  readonly timestamp: number
  readonly partition: number
}

const asBytes = (part: Uint8Array | string | null | undefined): Uint8Array | null =>
  typeof part === 'string' ? Buffer.from(part) : (part ?? null)

/** Fixes bytes, time and partition of records that are checked. */
export function placed(topic: Topic, records: readonly OutgoingRecord[]): PlacedRecord[] {
  const { partitions } = topic.config
  const free = records.some(({ key, partition }) => (key ?? null) === null && partition === undefined)
  const sticky = free && partitions > 1 ? topic.partitioner.next() : 0
  const now = Date.now()
  return records.map(({ key: given, value, headers = noHeaders, timestamp = now, partition }) => {
    const key = asBytes(given)
    const place = partition ?? (key === null ? sticky : partitionForKey(key, partitions))
    return { key, value: asBytes(value), headers, timestamp, partition: place }
  })
}

/** Messages that store some records of one topic, and where those are once the messages have their sequences. */
export interface AppendPlan {
  readonly messages: readonly OutgoingMessage[]
  /** In the order of the records. */
  positions(sequences: readonly number[]): RecordPosition[]
}

interface Draft {
  readonly subject: string
  readonly writer: BatchWriter
  readonly firstVersion: number
  /** Its place among the messages. */
  readonly at: number
}

/**
 * One message for neighbours: of one partition, or of one key where the topic is keyed. `heads` has those of the keys
 * whose versions matter; their first message is written only on top of them.
 */
export function planAppend(
  domain: Domain,
  topic: Topic,
  records: readonly PlacedRecord[],
  heads: ReadonlyMap<string, Head> = new Map(),
): AppendPlan {
  const { name, keyed, incarnation } = topic.config
  const drafts: Draft[] = []
  const open = new Map<string, Draft>()
  const versions = new Map<string, number>()
  const places: { draft: number; index: number; version: number }[] = []
  for (const record of records) {
    const { key, value, headers, timestamp, partition } = record
    const subject =
      keyed === 'none'
        ? domain.subjects.partition(incarnation, partition)
        : domain.subjects.key(incarnation, partition, key!)
    const version = (versions.get(subject) ?? heads.get(subject)?.version ?? -1) + 1
    versions.set(subject, version)
    let draft = open.get(subject)
    // Between two records of a key may be one of another: their order in the topic is that of the calls.
    if (keyed !== 'none' && draft !== drafts.at(-1)) draft = undefined
    const full =
      draft !== undefined &&
      (draft.writer.count === offsetsPerMessage || draft.writer.length + sizeOf(record) > domain.maxPayload)
    if (draft === undefined || full) {
      draft = { subject, writer: recordWriter(timestamp), firstVersion: version, at: drafts.length }
      open.set(subject, draft)
      drafts.push(draft)
    }
    const index = draft.writer.count
    draft.writer.append(index, timestamp, key, value, headers)
    places.push({ draft: draft.at, index, version })
  }
  const guarded = new Set<string>()
  const messages = drafts.map(({ subject, writer, firstVersion }): OutgoingMessage => {
    const head = guarded.has(subject) ? undefined : heads.get(subject)
    guarded.add(subject)
    const data = finishMessage(writer, keyed === 'history' ? firstVersion : 0)
    return head === undefined ? { subject, data } : { subject, data, expected: head.sequence }
  })
  return {
    messages,
    positions: sequences =>
      places.map(({ draft, index, version }, at) => {
        const { partition, timestamp } = records[at]!
        const offset = offsetOf(sequences[draft]!) + index
        return { topic: name, partition, offset, timestamp, ...(keyed === 'history' && { version }) }
      }),
  }
}
