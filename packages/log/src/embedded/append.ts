import { AegisError } from '@aegis/storage'
import { encodeRecordBatch } from '../batch/encode.ts'
import type { BatchRecord } from '../batch/layout.ts'
import { headKey, historyKey, latestKey, readU64, u32, u64 } from '../keys.ts'
import type { AppendOptions, ExpectedVersion, OutgoingRecord, RecordPosition } from '../log.ts'
import { partitionForKey } from '../partitioner.ts'
import { withVersion } from './record-version.ts'
import type { Stage } from './sequencer.ts'
import type { TopicState } from './topic-state.ts'

/** One append, checked and ready to be decided. */
export interface PreparedAppend {
  readonly topic: TopicState
  readonly records: readonly OutgoingRecord[]
  readonly expected: ExpectedVersion
  readonly reads: readonly Uint8Array[]
  readonly bytes: number
}

function checkRecord(topic: TopicState, record: OutgoingRecord): number {
  const { name, maxMessageSize, partitions, keyed } = topic.config
  for (const part of ['key', 'value'] as const) {
    const bytes = record[part]
    if (bytes !== undefined && bytes !== null && !(bytes instanceof Uint8Array)) {
      throw new AegisError('LOG_INVALID', `${part} of a record for ${name} is a ${typeof bytes}: give a Uint8Array`)
    }
  }
  if (keyed !== 'none' && (record.key === undefined || record.key === null)) {
    throw new AegisError('LOG_INVALID', `topic ${name} is keyed: give each record a key`)
  }
  const { partition, timestamp } = record
  if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0 && partition < partitions)) {
    throw new AegisError(
      'PARTITION_UNKNOWN',
      `partition ${String(partition)} of topic ${name}: it has 0 to ${partitions - 1}`,
    )
  }
  if (timestamp !== undefined && !Number.isSafeInteger(timestamp)) {
    throw new AegisError(
      'LOG_INVALID',
      `timestamp ${String(timestamp)} of a record for ${name}: give whole milliseconds`,
    )
  }
  let size = (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const header of record.headers ?? []) size += Buffer.byteLength(header.key) + (header.value?.length ?? 0)
  if (size > maxMessageSize) {
    throw new AegisError(
      'RECORD_TOO_LARGE',
      `a record of ${size} bytes for topic ${name}: its maxMessageSize is ${maxMessageSize}`,
    )
  }
  return size
}

export function prepareAppend(
  topic: TopicState,
  records: OutgoingRecord | readonly OutgoingRecord[],
  options: AppendOptions,
): PreparedAppend {
  const list = 'value' in records ? [records] : records
  let bytes = 0
  for (const record of list) bytes += checkRecord(topic, record)
  const { keyed, id, name } = topic.config
  const expected = options.expected ?? 'any'
  const keys = new Map(
    keyed === 'none' ? [] : list.map(record => [Buffer.from(record.key!).toString('latin1'), record.key!]),
  )
  if (expected !== 'any' && keys.size !== 1) {
    throw new AegisError('LOG_INVALID', `expected: topic ${name} must be keyed and all records have one key`)
  }
  const reads = [...keys.values()].map(key => (keyed === 'history' ? headKey(id, key) : latestKey(id, key)))
  return { topic, records: list, expected, reads, bytes: bytes + 64 * list.length }
}

function checkExpected({ topic, records, expected }: PreparedAppend, stage: Stage): void {
  if (expected === 'any' || records.length === 0) return
  const key = records[0]!.key!
  const { keyed, id, name } = topic.config
  const stored = stage.get(keyed === 'history' ? headKey(id, key) : latestKey(id, key))
  const actual =
    stored === undefined ? 'no-stream' : keyed === 'history' ? readU64(stored, 0) - 1 : latestVersion(stored)
  const holds = expected === 'stream-exists' ? actual !== 'no-stream' : actual === expected
  if (!holds) {
    const text = Buffer.from(key).toString('utf8').slice(0, 200)
    throw new AegisError(
      'VERSION_CONFLICT',
      `key ${JSON.stringify(text)} of topic ${name} is at ${actual}, expected ${expected}: read it again and decide anew`,
      { details: { topic: name, expected, actual } },
    )
  }
}

// Byte 12 of a `latest` entry says whether the record is a tombstone: then there is nothing to expect.
const latestVersion = (stored: Uint8Array): number | 'no-stream' =>
  stored[12] === 1 ? 'no-stream' : readU64(stored, 4)

/** Fixes partitions, offsets and versions, and stages records and indexes. */
export function decideAppend(append: PreparedAppend, stage: Stage, now: number): RecordPosition[] {
  checkExpected(append, stage)
  const { topic } = append
  const { keyed, id, name, partitions } = topic.config
  if (topic.deleted) throw new AegisError('TOPIC_UNKNOWN', `topic ${name} was deleted`)
  const free = append.records.some(({ key, partition }) => (key ?? null) === null && partition === undefined)
  const sticky = free ? topic.partitioner.next() : 0
  const positions: RecordPosition[] = []
  const histories = new Map<string, { key: Uint8Array; partition: number; records: BatchRecord[] }>()
  for (const { key = null, value, headers = [], timestamp = now, partition: wanted } of append.records) {
    const partition = wanted ?? (key === null ? sticky : partitionForKey(key, partitions))
    const record: BatchRecord = { offset: topic.nextOffset++, timestamp, key, value, headers }
    const position = { partition, offset: record.offset, timestamp }
    if (keyed === 'latest') {
      const head = Buffer.concat([u32(partition), u64(record.offset), Uint8Array.of(value === null ? 1 : 0)])
      stage.put(latestKey(id, key!), Buffer.concat([head, encodeRecordBatch([record], { baseOffset: record.offset })]))
    }
    if (keyed !== 'history') {
      stage.appends.push({ topic, partition, record })
      positions.push(position)
    } else {
      const text = Buffer.from(key!).toString('latin1')
      const history = histories.get(text)
      if (history === undefined) histories.set(text, { key: key!, partition, records: [record] })
      else history.records.push(record)
      const stored = stage.get(headKey(id, key!))
      const version = stored === undefined ? 0 : readU64(stored, 0)
      stage.put(headKey(id, key!), u64(version + 1))
      stage.appends.push({ topic, partition, record: withVersion(record, version) })
      positions.push({ ...position, version })
    }
  }
  for (const { key, partition, records } of histories.values()) {
    const count = readU64(stage.get(headKey(id, key))!, 0)
    const head = Buffer.concat([u32(partition), u64(count - records.length), Uint8Array.of(0)])
    const chunk = Buffer.concat([head, encodeRecordBatch(records, { baseOffset: records[0]!.offset })])
    stage.put(historyKey(id, key, count - 1), chunk)
  }
  return positions
}

/** Bytes before the RecordBatch in a keyed entry: partition, offset or first version, tombstone. */
export const keyedEntryBytes = 13
