import type { StorageReader } from '@aegis/storage'
import { decodeRecordBatch } from '../batch/decode.ts'
import { batchKey, readU64 } from '../keys.ts'
import type { LogRecord, ReadResult } from '../log.ts'
import { versionOf } from './record-version.ts'
import { type Envelope, envelopeBytes, readEnvelope, storedCount } from './stored-batch.ts'
import type { TopicState } from './topic-state.ts'

const chunkBytes = 256_000

const rangeFrom = (topic: TopicState, partition: number, from: number): { gte: Uint8Array; lte: Uint8Array } => ({
  gte: batchKey(topic.config.id, partition, from),
  lte: batchKey(topic.config.id, partition, Number.MAX_SAFE_INTEGER),
})

const recordsOf = (stored: Uint8Array) => decodeRecordBatch(stored.subarray(envelopeBytes)).records

/** At most `maxRecords` records from an offset on, from storage. */
export async function readRecords(
  storage: StorageReader,
  topic: TopicState,
  partition: number,
  from: number,
  maxRecords: number,
): Promise<ReadResult> {
  // Taken before reading: everything below it is durable, so what the range does not show is not there.
  const end = topic.endOffset
  const { keyed, name } = topic.config
  const records: LogRecord[] = []
  for await (const entries of storage.range({ ...rangeFrom(topic, partition, from), chunkBytes })) {
    for (const [, stored] of entries) {
      for (const record of recordsOf(stored)) {
        const { offset, timestamp, key, value, headers } = record
        if (offset < from) continue
        if (offset >= end) return { records, nextOffset: end }
        const read = { topic: name, partition, offset, timestamp, key, value, headers }
        records.push(keyed === 'history' ? { ...read, ...versionOf(record) } : read)
        if (records.length === maxRecords) return { records, nextOffset: offset + 1 }
      }
    }
  }
  return { records, nextOffset: Math.max(end, from) }
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
  const before = recordsOf(found.stored).filter(record => record.offset < offset).length
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
