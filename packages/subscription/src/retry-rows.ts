import { decodeRecordBatch, encodeRecordBatch, type LogRecord, type TopicDescription } from '@aegis/log'

/** The private key space of what a group has put aside of a topic, to be delivered again later. A topic made again has another. */
export const retrySpace = ({ name, incarnation }: TopicDescription, groupId: string): string =>
  `$retries${JSON.stringify([name, incarnation, groupId])}`

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(Math.ceil(value)))
  return bytes
}

/** The rows of a partition begin with it. */
export const retryPrefix = (partition: number): Uint8Array => u32(partition)

/** Of a partition in the order in which they are due; of those due at the same time in the order of the topic. */
export const retryKey = (partition: number, due: number, offset: number): Uint8Array =>
  Buffer.concat([u32(partition), u64(due), u64(offset)])

/** Milliseconds since the epoch. */
export const dueOfKey = (key: Uint8Array): number =>
  Number(Buffer.from(key.buffer, key.byteOffset, key.length).readBigUInt64BE(4))

// Attempts, and one more than the version: 0 where the topic does not number the records of a key.
const At = { attempts: 0, version: 4, batch: 12 } as const

/** Set in a row's attempts while somebody is at work with it: whoever finds it set finds what may have ended a process. */
const begun = 0x8000_0000

/** A copy of the record, for retention may take it away meanwhile, and how often it was delivered. */
export function encodeRetry(
  { offset, timestamp, key, value, headers, version = -1 }: LogRecord,
  attempts: number,
  atWork = false,
): Uint8Array {
  return Buffer.concat([
    u32(attempts + (atWork ? begun : 0)),
    u64(version + 1),
    encodeRecordBatch([{ offset, timestamp, key, value, headers }], { baseOffset: offset }),
  ])
}

export function decodeRetry(
  topic: string,
  partition: number,
  row: Uint8Array,
): { readonly attempts: number; readonly record: LogRecord } {
  const bytes = Buffer.from(row.buffer, row.byteOffset, row.length)
  const record = { ...decodeRecordBatch(bytes.subarray(At.batch)).records[0]!, topic, partition }
  const version = Number(bytes.readBigUInt64BE(At.version)) - 1
  return { attempts: bytes.readUInt32BE(At.attempts) % begun, record: version < 0 ? record : { ...record, version } }
}

export const isBegun = (row: Uint8Array): boolean => row[0]! >= 0x80

/** The row of the same record when an attempt begins. */
export function beginRetry(row: Uint8Array, attempts: number): Uint8Array {
  const bytes = Buffer.from(row)
  bytes.writeUInt32BE(attempts + begun)
  return bytes
}
