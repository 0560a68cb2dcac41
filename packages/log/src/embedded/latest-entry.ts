import { AegisError } from '@aegis/storage'
import { decodeRecordBatch } from '../batch/decode.ts'
import { encodeRecordBatch } from '../batch/encode.ts'
import type { BatchRecord } from '../batch/layout.ts'
import { readU64, writeU64 } from '../keys.ts'
import type { KeyedRecord } from '../log.ts'

// Partition, offset, whether it is a tombstone; then the record as a batch of its own.
const At = { partition: 0, offset: 4, tombstone: 12, batch: 13 } as const

/** The last record of a key of a `'latest'` topic, as it is stored under its key. */
export function encodeLatest(record: BatchRecord, partition: number): Uint8Array {
  const batch = encodeRecordBatch([record], { baseOffset: record.offset })
  const entry = Buffer.allocUnsafe(At.batch + batch.length)
  entry.writeUInt32BE(partition, At.partition)
  writeU64(entry, record.offset, At.offset)
  entry[At.tombstone] = record.value === null ? 1 : 0
  entry.set(batch, At.batch)
  return entry
}

export const latestOffset = (entry: Uint8Array): number => readU64(entry, At.offset)

/** Of a tombstone there is nothing to expect. */
export const latestVersion = (entry: Uint8Array): number | 'no-stream' =>
  entry[At.tombstone] === 1 ? 'no-stream' : latestOffset(entry)

/** The record of an entry, a tombstone too; `undefined` when the entry does not hold one. */
export function latestRecord(entry: Uint8Array): BatchRecord | undefined {
  try {
    return decodeRecordBatch(entry.subarray(At.batch)).records[0]
  } catch (error) {
    if (AegisError.is(error)) return undefined
    throw error
  }
}

/** `undefined` for a tombstone. */
export function decodeLatest(topic: string, entry: Uint8Array): KeyedRecord | undefined {
  if (entry[At.tombstone] === 1) return undefined
  const partition = Buffer.from(entry.buffer, entry.byteOffset, entry.length).readUInt32BE(At.partition)
  const [record] = decodeRecordBatch(entry.subarray(At.batch)).records
  if (record === undefined) return undefined
  const { offset, timestamp, key, value, headers } = record
  return { topic, partition, offset, timestamp, key, value, headers, version: offset }
}
