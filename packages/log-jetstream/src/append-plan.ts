import type { OutgoingRecord, RecordPosition } from '@aegis/log'
import { partitionForKey } from '@aegis/log'
import { type BatchWriter, noHeaders } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import type { Head } from './heads.ts'
import type { OutgoingMessage } from './publisher.ts'
import { finishMessage, offsetOf, offsetsPerMessage, recordWriter, truncationMessage } from './record-message.ts'
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

/** Takes away the records of a key of a history topic below a version. */
export interface Truncation {
  readonly key: Uint8Array
  readonly partition: number
  readonly before: number
}

/** What is done to a topic, in the order of the calls. */
export type Change = PlacedRecord | Truncation

export const isTruncation = (change: Change): change is Truncation => 'before' in change

const asBytes = (part: Uint8Array | string | null | undefined): Uint8Array | null =>
  typeof part === 'string' ? Buffer.from(part) : (part ?? null)

/**
 * Fixes bytes, time and partition of records that are checked.
 * @throws AegisError `NOT_SUPPORTED` for a keyed record in another partition than its key's: it could not be found by its key
 */
export function placed(topic: Topic, records: readonly OutgoingRecord[]): PlacedRecord[] {
  const { name, keyed, partitions } = topic.config
  const free = records.some(({ key, partition }) => (key ?? null) === null && partition === undefined)
  const sticky = free && partitions > 1 ? topic.partitioner.next() : 0
  const now = Date.now()
  return records.map(({ key: given, value, headers = noHeaders, timestamp = now, partition }) => {
    const key = asBytes(given)
    const own = key === null ? sticky : partitionForKey(key, partitions)
    if (keyed !== 'none' && partition !== undefined && partition !== own) {
      throw new AegisError(
        'NOT_SUPPORTED',
        `partition ${partition} of a record for keyed topic ${name}: its key belongs to partition ${own}; leave it out`,
      )
    }
    return { key, value: asBytes(value), headers, timestamp, partition: partition ?? own }
  })
}

/** Where a record will be. */
export interface Place {
  /** Counted from the plan's first message. */
  readonly message: number
  readonly index: number
  readonly partition: number
  readonly timestamp: number
  /** On `'history'` topics the number of the record within its key; otherwise it says nothing. */
  readonly version: number
}

/** Messages that store some changes of one topic, and where those are once the messages have their sequences. */
export interface AppendPlan {
  readonly messages: readonly OutgoingMessage[]
  /** In the order of the records. */
  readonly places: readonly Place[]
  positions(sequences: readonly number[]): RecordPosition[]
}

interface Draft {
  readonly subject: string
  readonly writer: BatchWriter
  readonly firstVersion: number
  readonly kept: number
  /** Its place among the messages. */
  readonly at: number
}

interface TruncationDraft {
  readonly subject: string
  readonly data: Uint8Array
}

/**
 * One message for neighbours: of one partition, or of one key where the topic is keyed; a truncation that takes nothing away
 * has none. `heads` has those of the keys
 * whose versions matter; their first message is written only on top of them.
 */
export function planAppend(
  domain: Domain,
  topic: Topic,
  changes: readonly Change[],
  heads: ReadonlyMap<string, Head> = new Map(),
): AppendPlan {
  const { name, keyed, incarnation, cleanup } = topic.config
  const drafts: (Draft | TruncationDraft)[] = []
  const open = new Map<string, Draft>()
  const versions = new Map<string, Pick<Head, 'version' | 'kept'>>()
  const places: Place[] = []
  for (const change of changes) {
    const { key, partition } = change
    const subject =
      keyed === 'none'
        ? domain.subjects.partition(incarnation, partition)
        : domain.subjects.key(incarnation, partition, key!)
    const before = versions.get(subject) ?? heads.get(subject) ?? { version: -1, kept: 0 }
    if (isTruncation(change)) {
      const kept = Math.min(change.before, before.version + 1)
      if (kept <= before.kept) continue
      versions.set(subject, { ...before, kept })
      drafts.push({ subject, data: truncationMessage(change.key, before.version + 1, kept) })
      continue
    }
    const { value, headers, timestamp } = change
    const { kept } = before
    const version = before.version + 1
    versions.set(subject, { version, kept })
    let draft = open.get(subject)
    // Between two records of a key may be one of another: their order in the topic is that of the calls.
    if (keyed !== 'none' && draft !== drafts.at(-1)) draft = undefined
    // Compaction takes away whole messages: each record is one.
    if (cleanup === 'compact') draft = undefined
    const full =
      draft !== undefined &&
      (draft.writer.count === offsetsPerMessage || draft.writer.length + sizeOf(change) > domain.maxPayload)
    if (draft === undefined || full) {
      const writer = recordWriter(timestamp, kept)
      draft = { subject, writer, firstVersion: version, kept, at: drafts.length }
      open.set(subject, draft)
      drafts.push(draft)
    }
    const index = draft.writer.count
    draft.writer.append(index, timestamp, key, value, headers)
    places.push({ message: draft.at, index, partition, timestamp, version })
  }
  const guarded = new Set<string>()
  const messages = drafts.map((draft): OutgoingMessage => {
    const { subject } = draft
    const head = guarded.has(subject) ? undefined : heads.get(subject)
    guarded.add(subject)
    const data =
      'data' in draft
        ? draft.data
        : finishMessage(draft.writer, keyed === 'history' ? draft.firstVersion : 0, draft.kept)
    return head === undefined ? { subject, data } : { subject, data, expected: head.sequence }
  })
  return {
    messages,
    places,
    positions: sequences =>
      places.map(({ message, index, version, partition, timestamp }) => {
        const offset = offsetOf(sequences[message]!) + index
        return { topic: name, partition, offset, timestamp, ...(keyed === 'history' && { version }) }
      }),
  }
}
