import type { LogRecord } from '@aegis/log'
import { BatchWriter, readStoredRecords } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import { crc32c } from '@node-rs/crc32'
import type { StoredMessage } from './stored-message.ts'

// A message of records is a small envelope, then a RecordBatch v2 whose base offset is 0: the real one follows from the
// sequence that the stream gives to the message.

/** A message has room for so many records: their offsets are the sequence × this, plus their place. */
export const offsetsPerMessage = 65_536

const format = 1
/** Format, flags, and on history topics the version of the first record. */
const envelopeBytes = 10
const asciiFlag = 1
const crcAt = envelopeBytes + 17
const crcFrom = envelopeBytes + 21
const countAt = envelopeBytes + 57
const firstRecordAt = envelopeBytes + 61

export const offsetOf = (sequence: number): number => sequence * offsetsPerMessage
export const sequenceOf = (offset: number): number => Math.floor(offset / offsetsPerMessage)

export const recordWriter = (firstTimestamp: number): BatchWriter =>
  new BatchWriter({ baseOffset: 0, firstTimestamp, reserved: envelopeBytes })

/** The bytes of the message; `firstVersion` is for history topics. */
export function finishMessage(writer: BatchWriter, firstVersion = 0): Buffer {
  const bytes = writer.finish()
  bytes[0] = format
  bytes[1] = writer.ascii ? asciiFlag : 0
  bytes.writeUInt32BE(Math.floor(firstVersion / 0x1_0000_0000), 2)
  bytes.writeUInt32BE(firstVersion >>> 0, 6)
  return bytes
}

function checked({ subject, sequence, data }: StoredMessage): Buffer {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
  if (
    bytes.length >= firstRecordAt &&
    bytes[0] === format &&
    crc32c(bytes.subarray(crcFrom)) === bytes.readUInt32BE(crcAt)
  ) {
    return bytes
  }
  throw new AegisError('BATCH_INVALID', `message ${sequence} on ${subject} is damaged, or not written by this log`, {
    details: { subject, sequence },
  })
}

/** How many records a message has. */
export const recordCount = (message: StoredMessage): number => checked(message).readInt32BE(countAt)

/** The offset after its last record. */
export const endOf = (message: StoredMessage): number => offsetOf(message.sequence) + recordCount(message)

/** On a history topic, the version of the last record. */
export function lastVersion(message: StoredMessage): number {
  const bytes = checked(message)
  return bytes.readUInt32BE(2) * 0x1_0000_0000 + bytes.readUInt32BE(6) + bytes.readInt32BE(countAt) - 1
}

/** The records of a message from an offset on. @throws AegisError `BATCH_INVALID` for damaged bytes */
export function recordsOf(
  topic: string,
  partition: number,
  message: StoredMessage,
  from: number,
  versioned: boolean,
): LogRecord[] {
  const bytes = checked(message)
  const base = offsetOf(message.sequence)
  // The base offset is not in the CRC, so that a server of records may write it.
  bytes.writeUInt32BE(Math.floor(base / 0x1_0000_0000), envelopeBytes)
  bytes.writeUInt32BE(base >>> 0, envelopeBytes + 4)
  const records: LogRecord[] = []
  const ascii = (bytes[1]! & asciiFlag) !== 0
  const first = versioned ? bytes.readUInt32BE(2) * 0x1_0000_0000 + bytes.readUInt32BE(6) : undefined
  readStoredRecords(topic, partition, bytes, envelopeBytes, ascii, from, Number.MAX_SAFE_INTEGER, records, first)
  return records
}
