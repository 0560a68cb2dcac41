import { AegisError } from '@aegis/storage'
import { crc32c } from '@node-rs/crc32'
import type { Header } from '../log.ts'

/** A record as a batch holds it. */
export interface BatchRecord {
  readonly offset: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  /** `null` is a tombstone. */
  readonly value: Uint8Array | null
  /** In the order they were given; a key may occur more than once. */
  readonly headers: readonly Header[]
}

/** A record to be encoded. */
export interface BatchRecordInput {
  readonly key?: Uint8Array | null | undefined
  readonly value: Uint8Array | null
  readonly headers?: readonly Header[] | undefined
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  /** Default: the base offset and the record's place in the batch. Offsets rise strictly and may leave gaps. */
  readonly offset?: number | undefined
}

/** What belongs to a batch as a whole. */
export interface RecordBatchOptions {
  readonly baseOffset: number
  /** Default -1: none. */
  readonly producerId?: number | undefined
  /** Default -1: none. */
  readonly producerEpoch?: number | undefined
  /** Default -1: none. */
  readonly baseSequence?: number | undefined
}

/** A decoded batch. */
export interface RecordBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  readonly count: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  /** Made on first access. Keys and values are views of the bytes that were decoded, not copies. */
  readonly records: readonly BatchRecord[]
}

// The layout of Apache Kafka's RecordBatch v2: where each field starts.
export const At = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  firstTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
  records: 61,
} as const

/** Lets a batch cover offsets beyond those of its records, where others were. */
export function coverUpTo(batch: Uint8Array, lastOffset: number): void {
  const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.length)
  bytes.writeInt32BE(lastOffset - Number(bytes.readBigInt64BE(At.baseOffset)), At.lastOffsetDelta)
  bytes.writeUInt32BE(crc32c(bytes.subarray(At.attributes)), At.crc)
}

export const compressionMask = 0x07
export const logAppendTime = 0x08
export const control = 0x20
export const maxInt32 = 0x7fffffff
// Length, attributes, both deltas, key length, value length, header count: a byte each at least.
export const smallestRecord = 7
export const smallestHeader = 2
export const noHeaders: readonly Header[] = Object.freeze([])

export const invalid = (what: string): AegisError => new AegisError('BATCH_INVALID', what)
export const refused = (what: string): AegisError => new AegisError('LOG_INVALID', what)
