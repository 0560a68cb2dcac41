import type { LogRecord } from '@aegis/log'
import { BatchWriter, readStoredRecords } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import { crc32c } from '@node-rs/crc32'
import type { StoredMessage } from './stored-message.ts'

// A message of records is a small envelope, then a RecordBatch v2 whose base offset is 0: the real one follows from the
// sequence that the stream gives to the message. On history topics the envelope has the version of the first record, and once
// the key was truncated, the first version that is kept: each message repeats it, so the last one of a key tells.
//
//   format, flags, first version (8) [, first kept version (8)], RecordBatch
//   format, flags, first version (8), first kept version (8), CRC-32C, key        a truncation: no records

/** A message has room for so many records: their offsets are the sequence × this, plus their place. */
export const offsetsPerMessage = 65_536

const format = 1
const asciiFlag = 1
const truncatedFlag = 2
const truncationFlag = 4
const versionAt = 2
const keptAt = 10
/** Where the batch begins. */
const batchAt = 10
const batchAtTruncated = 18
const keyAt = 22

export const offsetOf = (sequence: number): number => sequence * offsetsPerMessage
export const sequenceOf = (offset: number): number => Math.floor(offset / offsetsPerMessage)

/** `kept`: the first version that is kept of the key, on history topics. */
export const recordWriter = (firstTimestamp: number, kept = 0): BatchWriter =>
  new BatchWriter({ baseOffset: 0, firstTimestamp, reserved: kept > 0 ? batchAtTruncated : batchAt })

/** The bytes of the message; `firstVersion` and `kept` are for history topics. */
export function finishMessage(writer: BatchWriter, firstVersion = 0, kept = 0): Buffer {
  const bytes = writer.finish()
  bytes[0] = format
  bytes[1] = (writer.ascii ? asciiFlag : 0) | (kept > 0 ? truncatedFlag : 0)
  writeLong(bytes, firstVersion, versionAt)
  if (kept > 0) writeLong(bytes, kept, keptAt)
  return bytes
}

/** The bytes of a message that takes away the versions of a key below `kept`; the next record has `nextVersion`. */
export function truncationMessage(key: Uint8Array, nextVersion: number, kept: number): Buffer {
  const bytes = Buffer.alloc(keyAt + key.length)
  bytes[0] = format
  bytes[1] = truncatedFlag | truncationFlag
  writeLong(bytes, nextVersion, versionAt)
  writeLong(bytes, kept, keptAt)
  bytes.set(key, keyAt)
  bytes.writeUInt32BE(truncationCrc(bytes), batchAtTruncated)
  return bytes
}

const truncationCrc = (bytes: Buffer): number =>
  crc32c(bytes.subarray(keyAt), crc32c(bytes.subarray(0, batchAtTruncated)))

/** What is found in a message. */
interface Content {
  readonly bytes: Buffer
  readonly batchAt: number
  readonly records: number
}

/** @throws AegisError `BATCH_INVALID` for damaged bytes, and for those of others */
function contentOf({ subject, sequence, data }: StoredMessage): Content {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
  const [kind = 0, flags = 0] = bytes
  const at = (flags & truncatedFlag) === 0 ? batchAt : batchAtTruncated
  if (kind === format && (flags & truncationFlag) !== 0) {
    const whole = bytes.length >= keyAt && at === batchAtTruncated
    if (whole && truncationCrc(bytes) === bytes.readUInt32BE(at)) return { bytes, batchAt: at, records: 0 }
  } else if (kind === format && bytes.length >= at + 61) {
    const crc = bytes.readUInt32BE(at + 17)
    if (crc32c(bytes.subarray(at + 21)) === crc) return { bytes, batchAt: at, records: bytes.readInt32BE(at + 57) }
  }
  throw new AegisError('BATCH_INVALID', `message ${sequence} on ${subject} is damaged, or not written by this log`, {
    details: { subject, sequence },
  })
}

/** How many records a message has; a truncation has none. */
export const recordCount = (message: StoredMessage): number => contentOf(message).records

/** The offset after its last record. */
export const endOf = (message: StoredMessage): number => offsetOf(message.sequence) + recordCount(message)

/** On a history topic, what a message says of the versions of its key. */
export interface Versions {
  /** Of the message's first record, or the next one where it has none. */
  readonly first: number
  /** Of the key's last record, as of this message; -1 when there never was one. */
  readonly last: number
  /** The first one that is kept. */
  readonly kept: number
}

export function versionsOf(message: StoredMessage): Versions {
  const { bytes, batchAt: at, records } = contentOf(message)
  const first = readLong(bytes, versionAt)
  return { first, last: first + records - 1, kept: at === batchAt ? 0 : readLong(bytes, keptAt) }
}

/** The key that a message of a keyed topic belongs to. */
export function keyOf(message: StoredMessage): Uint8Array | null {
  const { bytes, records } = contentOf(message)
  return records === 0 ? bytes.subarray(keyAt) : (recordsOf('', 0, message, 0, false)[0]?.key ?? null)
}

/** The records of a message from an offset on. @throws AegisError `BATCH_INVALID` for damaged bytes */
export function recordsOf(
  topic: string,
  partition: number,
  message: StoredMessage,
  from: number,
  versioned: boolean,
): LogRecord[] {
  const { bytes, batchAt: at, records: count } = contentOf(message)
  const records: LogRecord[] = []
  if (count === 0) return records
  const base = offsetOf(message.sequence)
  // The base offset is not in the CRC, so that a server of records may write it.
  writeLong(bytes, base, at)
  const ascii = (bytes[1]! & asciiFlag) !== 0
  const first = versioned ? readLong(bytes, versionAt) : undefined
  readStoredRecords(topic, partition, bytes, at, ascii, from, Number.MAX_SAFE_INTEGER, records, first)
  return records
}

const readLong = (bytes: Buffer, at: number): number =>
  bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)

function writeLong(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at)
  bytes.writeUInt32BE(value >>> 0, at + 4)
}
