import { AegisError } from '@aegis/storage'
import { type BatchRecord, noHeaders } from '../batch/layout.ts'
import { sizeOfHeaders } from '../batch/record-parts.ts'
import { headKey, latestKey } from '../keys.ts'
import type {
  AppendOptions,
  ExpectedVersion,
  Header,
  OutgoingRecord,
  ProducerBatch,
  Receipt,
  RecordPosition,
} from '../log.ts'
import { partitionForKey } from '../partitioner.ts'
import type { Commit } from './commit.ts'
import { countOf } from './history/head.ts'
import { Histories } from './history/write.ts'
import { encodeLatest, latestVersion } from './latest-entry.ts'
import { checkProducer, decideBatch, noteBatch, producerKey } from './producers.ts'
import { withVersion } from './record-version.ts'
import { keyText, type Stage } from './stage.ts'
import type { TopicState } from './topic-state.ts'

/** A record whose texts have become bytes. */
export interface PreparedRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
  readonly timestamp: number | undefined
  readonly partition: number | undefined
}

/** One append, checked and ready to be decided. */
export interface PreparedAppend {
  readonly topic: TopicState
  readonly records: readonly PreparedRecord[]
  readonly expected: ExpectedVersion
  readonly producer: ProducerBatch | undefined
  readonly reads: readonly Uint8Array[]
  readonly bytes: number
}

/** A text counts by its characters while it is small: it has at most three times as many bytes. */
function sizeOf(part: Uint8Array | string | null | undefined, limit: number): number {
  if (part === null || part === undefined) return 0
  return typeof part === 'string' && 3 * part.length > limit ? Buffer.byteLength(part) : part.length
}

function checkPart(part: 'key' | 'value', bytes: unknown, topic: string): void {
  if (bytes === null || bytes instanceof Uint8Array) return
  if (typeof bytes === 'string') {
    // In UTF-8 half a surrogate pair becomes U+FFFD: another text, and perhaps the key of something else.
    if (bytes.isWellFormed()) return
    throw new AegisError('LOG_INVALID', `${part} of a record for ${topic} is no well-formed text: give its bytes`)
  }
  throw new AegisError(
    'LOG_INVALID',
    `${part} of a record for ${topic} is ${bytes === undefined ? 'missing' : `a ${typeof bytes}`}: give bytes, a text or null`,
  )
}

/** What of a topic limits its records. */
interface Limits {
  readonly config: Pick<TopicState['config'], 'name' | 'maxMessageSize' | 'partitions' | 'keyed'>
}

/** The record's size, when nothing is wrong with it. */
export function checkRecord(topic: Limits, record: OutgoingRecord): number {
  const { name, maxMessageSize, partitions, keyed } = topic.config
  const { key, value, headers, partition, timestamp } = record
  checkPart('key', key ?? null, name)
  checkPart('value', value, name)
  if (keyed !== 'none' && (key === undefined || key === null)) {
    throw new AegisError('LOG_INVALID', `topic ${name} is keyed: give each record a key`)
  }
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
  let size = sizeOf(key, maxMessageSize) + sizeOf(value, maxMessageSize)
  if (headers !== undefined) {
    if (!Array.isArray(headers)) throw new AegisError('LOG_INVALID', `headers of a record for ${name}: give a list`)
    if (headers.length > 0) size += sizeOfHeaders(headers)
  }
  if (size > maxMessageSize) {
    throw new AegisError(
      'RECORD_TOO_LARGE',
      `a record of ${size} bytes for topic ${name}: its maxMessageSize is ${maxMessageSize}`,
    )
  }
  return size
}

const isList = (records: OutgoingRecord | readonly OutgoingRecord[]): records is readonly OutgoingRecord[] =>
  Array.isArray(records)

const asBytes = (part: Uint8Array | string | null | undefined): Uint8Array | null =>
  typeof part === 'string' ? Buffer.from(part) : (part ?? null)

/** The records as a list, checked. */
export function checkedRecords(
  topic: Limits,
  records: OutgoingRecord | readonly OutgoingRecord[],
): readonly OutgoingRecord[] {
  const list = isList(records) ? records : [records]
  for (const record of list) checkRecord(topic, record)
  return list
}

export function prepareAppend(
  topic: TopicState,
  records: OutgoingRecord | readonly OutgoingRecord[],
  options: AppendOptions,
): PreparedAppend {
  const { keyed, id, name } = topic.config
  let bytes = 0
  const list = (isList(records) ? records : [records]).map(record => {
    bytes += checkRecord(topic, record) + 64
    const { key, value, headers = noHeaders, timestamp, partition } = record
    return { key: asBytes(key), value: asBytes(value), headers, timestamp, partition }
  })
  const expected = options.expected ?? 'any'
  const keys = new Map<string, Uint8Array>()
  // Most appends are to one key: its text is made once.
  if (keyed !== 'none')
    for (const [n, { key }] of list.entries()) if (key !== list[n - 1]?.key) keys.set(keyText(key!), key!)
  if (expected !== 'any' && keys.size !== 1) {
    throw new AegisError('LOG_INVALID', `expected: topic ${name} must be keyed and all records have one key`)
  }
  const reads = [...keys.values()].map(key => (keyed === 'history' ? headKey(id, key) : latestKey(id, key)))
  const { producer } = options
  if (producer !== undefined) {
    checkProducer(producer)
    reads.push(producerKey(id, producer.id))
  }
  return { topic, records: list, expected, producer, reads, bytes }
}

function checkExpected({ topic, records, expected }: PreparedAppend, stage: Stage): void {
  if (expected === 'any' || records.length === 0) return
  const key = records[0]!.key!
  const { keyed, id, name } = topic.config
  const stored = stage.get(keyed === 'history' ? headKey(id, key) : latestKey(id, key))
  const actual = stored === undefined ? 'no-stream' : keyed === 'history' ? countOf(stored) - 1 : latestVersion(stored)
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

function assertThere({ deleted, config }: TopicState): void {
  if (deleted) throw new AegisError('TOPIC_UNKNOWN', `topic ${config.name} was deleted`)
}

/** The partition of records without key and partition: one for all records of an append. */
function stickyPartition(topic: TopicState, records: readonly (PreparedRecord | OutgoingRecord)[]): number {
  const free = records.some(({ key, partition }) => (key ?? null) === null && partition === undefined)
  return free && topic.config.partitions > 1 ? topic.partitioner.next() : 0
}

function decideRecord(
  topic: TopicState,
  record: OutgoingRecord,
  commit: Commit,
  sticky: number,
  now: number,
): RecordPosition {
  const { name, partitions } = topic.config
  const { key = null, value, headers = noHeaders, timestamp = now, partition: wanted } = record
  const partition = wanted ?? (key === null ? sticky : partitions === 1 ? 0 : partitionForKey(key, partitions))
  const offset = topic.nextOffset++
  commit.append(topic, topic.partitions[partition]!, offset, timestamp, key, value, headers, now)
  return { topic: name, partition, offset, timestamp }
}

/** Fixes partitions and offsets of checked records for a topic that is not keyed, and writes them into the commit. */
export function decidePlain(
  topic: TopicState,
  records: readonly OutgoingRecord[],
  commit: Commit,
  now: number,
): Receipt {
  if (records.some(({ key, partition, timestamp }) => (key ?? partition ?? timestamp ?? null) !== null)) {
    const sticky = stickyPartition(topic, records)
    return { positions: records.map(record => decideRecord(topic, record, commit, sticky, now)) }
  }
  const partition = topic.partitions.length > 1 && records.length > 0 ? topic.partitioner.next() : 0
  const receipt = new UniformReceipt(topic.config.name, partition, topic.nextOffset, records.length, now)
  const state = topic.partitions[partition]!
  for (const { value, headers = noHeaders } of records) {
    commit.append(topic, state, topic.nextOffset++, now, null, value, headers, now)
  }
  return receipt
}

/** Of records that are neighbours in one partition: their positions are made when somebody asks, which few do. */
class UniformReceipt implements Receipt {
  readonly #first: RecordPosition
  readonly #count: number
  #positions: readonly RecordPosition[] | undefined

  constructor(topic: string, partition: number, offset: number, count: number, timestamp: number) {
    this.#first = { topic, partition, offset, timestamp }
    this.#count = count
  }

  get positions(): readonly RecordPosition[] {
    this.#positions ??= Array.from({ length: this.#count }, (_, n) => ({
      ...this.#first,
      offset: this.#first.offset + n,
    }))
    return this.#positions
  }
}

/** The same for one record. */
export function decideOne(topic: TopicState, record: OutgoingRecord, commit: Commit, now: number): RecordPosition {
  const { key = null, partition } = record
  const sticky = key === null && partition === undefined && topic.partitions.length > 1 ? topic.partitioner.next() : 0
  return decideRecord(topic, record, commit, sticky, now)
}

/** Fixes partitions, offsets and versions, and stages records and indexes. */
export function decideAppend(append: PreparedAppend, stage: Stage, now: number): readonly RecordPosition[] {
  const { topic, producer, records } = append
  assertThere(topic)
  if (producer === undefined || records.length === 0) return appendRecords(append, stage, now)
  const there = decideBatch(stage, topic, producer, records.length)
  if (there !== undefined) return there
  const positions = appendRecords(append, stage, now)
  noteBatch(stage, topic, producer, positions, now)
  return positions
}

function appendRecords(append: PreparedAppend, stage: Stage, now: number): RecordPosition[] {
  checkExpected(append, stage)
  const { topic } = append
  const { name, keyed, id, partitions } = topic.config
  const sticky = stickyPartition(topic, append.records)
  const histories = keyed === 'history' ? new Histories(stage, id) : undefined
  const positions = append.records.map(({ key, value, headers, timestamp = now, partition: wanted }) => {
    const partition = wanted ?? (key === null ? sticky : partitionForKey(key, partitions))
    const record: BatchRecord = { offset: stage.takeOffset(topic), timestamp, key, value, headers }
    const position = { topic: name, partition, offset: record.offset, timestamp }
    if (histories !== undefined) {
      const version = histories.add(key!, record, partition)
      stage.append(topic, partition, withVersion(record, version))
      return { ...position, version }
    }
    if (keyed === 'latest') stage.put(latestKey(id, key!), encodeLatest(record, partition))
    stage.append(topic, partition, record)
    return position
  })
  histories?.extend()
  return positions
}
