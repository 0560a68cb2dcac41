import type { StorageReader } from '@aegis/storage'
import { decodeRecordBatch } from '../batch/decode.ts'
import { batchKey, readU64 } from '../keys.ts'
import type { LogRecord, ReadResult } from '../log.ts'
import { readStoredRecords } from '../stored-record.ts'
import { assertDeleted } from './continuity.ts'
import type { PartitionState } from './partition-state.ts'
import { type Envelope, envelopeBytes, readEnvelope, storedCount } from './stored-batch.ts'
import { tailFrom } from './tail.ts'
import type { TopicState } from './topic-state.ts'

const chunkBytes = 256_000

const rangeFrom = (topic: TopicState, partition: number, from: number): { gte: Uint8Array; lte: Uint8Array } => ({
  gte: batchKey(topic.config.id, partition, from),
  lte: batchKey(topic.config.id, partition, Number.MAX_SAFE_INTEGER),
})

const asBuffer = (stored: Uint8Array): Buffer => Buffer.from(stored.buffer, stored.byteOffset, stored.length)

function decodeInto(
  topic: TopicState,
  partition: number,
  stored: Uint8Array,
  from: number,
  end: number,
  into: LogRecord[],
): void {
  const { name, keyed } = topic.config
  const { ascii } = readEnvelope(stored)
  const versions = keyed === 'history' ? 'in-header' : undefined
  readStoredRecords(name, partition, asBuffer(stored), envelopeBytes, ascii, from, end, into, versions)
}

/** What `readBatches` reads at most before it stops, after a whole batch. */
export interface ReadLimits {
  readonly maxRecords: number
  readonly maxBytes: number
}

/** Enough for the fastest reader, and no more than is kept in memory for followers. */
export const defaultMaxBytes = 16_000_000

/**
 * The records from an offset on: whole batches until there are `maxRecords` or `maxBytes` or more. From memory when the tail goes back
 * so far, else from storage.
 */
export async function readBatches(
  storage: StorageReader,
  topic: TopicState,
  partition: number,
  wanted: number,
  { maxRecords, maxBytes }: ReadLimits,
): Promise<ReadResult> {
  // What retention took away may still be in the tail.
  const from = Math.max(wanted, topic.partitions[partition]!.durable.startOffset)
  // Taken before reading: everything below it is durable, so what the range does not show is not there.
  const end = topic.endOffset
  const records: LogRecord[] = []
  let bytes = 0
  const tail = tailFrom(topic.partitions[partition]!, from)
  if (tail !== undefined) {
    for (const { stored, lastOffset } of tail) {
      decodeInto(topic, partition, stored, from, end, records)
      bytes += stored.length
      if (records.length >= maxRecords || bytes >= maxBytes) return { records, nextOffset: lastOffset + 1, bytes }
    }
    const next = tail.length === 0 ? from : tail.at(-1)!.lastOffset + 1
    const more = next < topic.partitions[partition]!.durable.endOffset
    return { records, nextOffset: more ? next : Math.max(end, next), bytes }
  }
  const { endOffset } = topic.partitions[partition]!.durable
  let expected = from
  const range = {
    ...rangeFrom(topic, partition, from),
    chunkBytes: likelyBytes(topic.partitions[partition]!, maxRecords),
  }
  for await (const entries of storage.range(range)) {
    for (const [key, stored] of entries) {
      const previousEnd = readU64(stored, 0)
      if (previousEnd > expected) await assertDeleted(storage, topic, partition, expected, previousEnd)
      expected = readU64(key, key.length - 8) + 1
      decodeInto(topic, partition, stored, from, end, records)
      bytes += stored.length
      const nextOffset = Math.min(end, expected)
      if (records.length >= maxRecords || bytes >= maxBytes) return { records, nextOffset, bytes }
    }
  }
  if (expected < endOffset) await assertDeleted(storage, topic, partition, expected, endOffset)
  return { records, nextOffset: Math.max(end, from), bytes }
}

/**
 * What so many records need in storage, or a little less: what a chunk brings beyond them is read and checked for nothing,
 * which was half of all that a follower of large batches read.
 */
function likelyBytes({ durable }: PartitionState, records: number): number {
  const { bytes, startOrdinal, endOrdinal } = durable
  const each = bytes / Math.max(1, endOrdinal - startOrdinal)
  return Math.max(4_096, Math.min(chunkBytes, Math.floor(0.9 * each * records)))
}

/** At most `maxRecords` records from an offset on. */
export async function readRecords(
  storage: StorageReader,
  topic: TopicState,
  partition: number,
  from: number,
  limits: ReadLimits,
): Promise<ReadResult> {
  return firstRecords(await readBatches(storage, topic, partition, from, limits), limits.maxRecords)
}

/** The first records of what was read, with their share of its bytes. */
export function firstRecords(read: ReadResult, maxRecords: number): ReadResult {
  const { records, bytes } = read
  if (records.length <= maxRecords) return read
  return {
    records: records.slice(0, maxRecords),
    nextOffset: records[maxRecords]!.offset,
    bytes: Math.ceil((bytes * maxRecords) / records.length),
  }
}

/** The batch that holds `from`, or the first one after it. */
async function batchAt(
  storage: StorageReader,
  topic: TopicState,
  partition: number,
  from: number,
): Promise<{ stored: Uint8Array; lastOffset: number } | undefined> {
  for await (const entries of storage.range({ ...rangeFrom(topic, partition, from), limit: 1 })) {
    for (const [key, stored] of entries) return { stored, lastOffset: readU64(key, key.length - 8) }
  }
  return undefined
}

/** The first offset whose append time is at or after `time`, or the end. */
export async function offsetForTime(
  storage: StorageReader,
  topic: TopicState,
  partition: number,
  time: number,
): Promise<number> {
  const { startOffset, endOffset, appendTime } = topic.partitions[partition]!.durable
  if (endOffset === 0 || appendTime < time) return topic.endOffset
  let low = startOffset
  let high = topic.endOffset
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const found = await batchAt(storage, topic, partition, middle)
    if (found === undefined || readEnvelope(found.stored).appendTime >= time) high = middle
    else low = found.lastOffset + 1
  }
  return low
}

/** How many records of the partition come at or after an offset. */
export async function recordsFrom(
  storage: StorageReader,
  topic: TopicState,
  partition: number,
  offset: number,
): Promise<number> {
  const { startOffset, endOffset, startOrdinal, endOrdinal } = topic.partitions[partition]!.durable
  if (offset >= endOffset) return 0
  if (offset <= startOffset) return endOrdinal - startOrdinal
  const found = await batchAt(storage, topic, partition, offset)
  if (found === undefined) return 0
  const before = decodeRecordBatch(found.stored.subarray(envelopeBytes)).records.filter(
    record => record.offset < offset,
  ).length
  return endOrdinal - readEnvelope(found.stored).ordinal - before
}

/** Some batches from the beginning of a partition on. */
export interface OldBatches {
  readonly keys: readonly Uint8Array[]
  readonly bytes: number
  /** After the last of them. */
  readonly endOffset: number
  readonly endOrdinal: number
  /** Append time of the first batch that stays, as far as it was looked at. */
  readonly oldest: number | undefined
}

/** The batches at the beginning of a partition for which `goes` holds; it is told the bytes of those before. */
export async function oldBatches(
  storage: StorageReader,
  topic: TopicState,
  partition: number,
  goes: (batch: Envelope & { readonly lastOffset: number }, bytesBefore: number) => boolean,
): Promise<OldBatches> {
  const keys: Uint8Array[] = []
  let [bytes, endOffset, endOrdinal] = [0, 0, 0]
  const range = rangeFrom(topic, partition, topic.partitions[partition]!.durable.startOffset)
  for await (const entries of storage.range({ ...range, limit: 256, chunkBytes })) {
    for (const [key, stored] of entries) {
      const lastOffset = readU64(key, key.length - 8)
      const envelope = { ...readEnvelope(stored), lastOffset }
      if (lastOffset >= topic.endOffset || !goes(envelope, bytes)) {
        return { keys, bytes, endOffset, endOrdinal, oldest: envelope.appendTime }
      }
      keys.push(key)
      bytes += stored.length
      endOffset = lastOffset + 1
      endOrdinal = envelope.ordinal + storedCount(stored)
    }
  }
  return { keys, bytes, endOffset, endOrdinal, oldest: undefined }
}
