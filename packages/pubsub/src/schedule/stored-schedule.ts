import { randomBytes } from 'node:crypto'
import { decodeRecordBatch, encodeRecordBatch, type OutgoingRecord, type TopicDescription } from '@aegis/log'

/** A message that waits for its time, as it will be published. */
export interface ScheduledRecord {
  readonly topic: string
  readonly record: OutgoingRecord
  readonly ttl: number | string | undefined
  readonly messageId: string | undefined
  readonly debounce?: string | undefined
}

/** Cron schedules by name. */
export const cronSpace = '$schedules'
/** Which delayed message has an id, until it is in its topic. */
const delayedIdSpace = '$scheduled-ids'
/** Which delayed message is replaced by the next of its `debounce`, until it is in its topic. */
const debounceSpace = '$debounced'

const messageKind = 0
const cronKind = 1
let counter = 0

// What is due has a key that begins with when: a delayed message, and the next occurrence of a cron schedule.

/** Keys of one moment are in the order in which they were made. */
export function newMessageKey(dueAt: number): Uint8Array {
  const key = Buffer.alloc(25)
  writeTime(key, dueAt)
  key[8] = messageKind
  key.writeUIntBE(Date.now(), 9, 6)
  key.writeUInt32BE(counter++ >>> 0, 15)
  randomBytes(6).copy(key, 19)
  return key
}

export function cronKey(dueAt: number, name: string): Uint8Array {
  const key = Buffer.alloc(9)
  writeTime(key, dueAt)
  key[8] = cronKind
  return Buffer.concat([key, Buffer.from(name)])
}

export function withDueTime(key: Uint8Array, dueAt: number): Uint8Array {
  const later = Buffer.from(key)
  writeTime(later, dueAt)
  return later
}

export function dueTimeOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.length)
  return view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4)
}

/** The name of the cron schedule that is due; `undefined` for a delayed message. */
export const cronNameOf = (key: Uint8Array): string | undefined =>
  key[8] === cronKind ? Buffer.from(key.subarray(9)).toString() : undefined

/** Names of cron schedules do not start like this. */
const idPrefix = '$'
export const idOf = (key: Uint8Array): string => idPrefix + Buffer.from(key).toString('base64url')
/** `undefined` when the text is not the id of a delayed message. */
export function keyOfId(id: string): Uint8Array | undefined {
  if (!id.startsWith(idPrefix)) return undefined
  const key = Buffer.from(id.slice(1), 'base64url')
  return key.length === 25 && key[8] === messageKind ? key : undefined
}

/** As a head of JSON and the record as a batch, whose checksum comes with it. */
export function encodeScheduled(
  { topic, record, ttl, messageId, debounce }: ScheduledRecord,
  more: object = {},
): Uint8Array {
  const { key, value, headers, timestamp, partition } = record
  const head = Buffer.from(
    JSON.stringify({ topic, ttl, messageId, debounce, partition, timed: timestamp !== undefined, ...more }),
  )
  const size = Buffer.alloc(4)
  size.writeUInt32BE(head.length)
  const batch = encodeRecordBatch([{ key: bytes(key), value: bytes(value), headers, timestamp: timestamp ?? 0 }], {
    baseOffset: 0,
  })
  return Buffer.concat([size, head, batch])
}

export function decodeScheduled<More extends object = object>(stored: Uint8Array): ScheduledRecord & More {
  const buffer = Buffer.from(stored.buffer, stored.byteOffset, stored.length)
  const end = 4 + buffer.readUInt32BE(0)
  const { timed, partition, ...head } = JSON.parse(buffer.toString('utf8', 4, end))
  const { key, value, headers, timestamp } = decodeRecordBatch(buffer.subarray(end)).records[0]!
  const record = { key, value, headers, ...(timed && { timestamp }), ...(partition !== undefined && { partition }) }
  return { ...head, record }
}

/** Where it is noted that a message waits that is known by its id, or is to be replaced; `undefined` when there is nothing to note. */
export function placeOfWaiting(
  { incarnation }: TopicDescription,
  { messageId, debounce }: Pick<ScheduledRecord, 'messageId' | 'debounce'>,
): readonly [space: string, key: Uint8Array] | undefined {
  if (messageId !== undefined) return [delayedIdSpace, Buffer.from(`${incarnation}/${messageId}`)]
  return debounce === undefined ? undefined : [debounceSpace, Buffer.from(`${incarnation}/${debounce}`)]
}

function writeTime(key: Buffer, time: number): void {
  key.writeUInt32BE(Math.floor(time / 0x1_0000_0000), 0)
  key.writeUInt32BE(time % 0x1_0000_0000, 4)
}

const bytes = (part: Uint8Array | string | null | undefined): Uint8Array | null =>
  typeof part === 'string' ? Buffer.from(part) : (part ?? null)
