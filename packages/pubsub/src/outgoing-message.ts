import {
  encodePayload,
  type Header,
  type OutgoingRecord,
  parseDuration,
  type TopicDescription,
  type Untyped,
} from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { header, isReserved, reserved } from './reserved-headers.ts'

interface MessageFields {
  /** Messages of one key keep their order. */
  readonly key?: string
  /** Text by name; names starting with `$` are reserved. Lists with several of one name are for the log. */
  readonly headers?: Readonly<Record<string, string>>
  /** Default: that of the topic's `partitioner`, that of the key; without a key in turn. */
  readonly partition?: number
  /** Milliseconds since the epoch. Default: now; of a delayed message the time at which it comes into the topic. */
  readonly timestamp?: number
  /** How long it is worth delivering, in milliseconds or `'5m'`, from when it comes into the topic. Then it is left out. */
  readonly ttl?: number | string
  /** 0 (default) to 9: of what is fetched, subscriptions with `mode: 'shared'` hand out the highest first. Elsewhere order is by offset. */
  readonly priority?: number
  /**
   * Published again with the same id the message is not stored again, and the result is that of the first time. Remembered,
   * in the same commit as the message, for as long as the topic keeps the message.
   */
  readonly messageId?: string
}

type Content<T> =
  | { readonly payload: T; readonly tombstone?: false }
  | { readonly key: string; readonly tombstone: true; readonly payload?: undefined }

/** A payload, or a tombstone for a key. */
export type OutgoingMessage<T = Untyped> = MessageFields & {
  readonly deliverAt?: undefined
  readonly delay?: undefined
  readonly debounce?: undefined
} & Content<T>

/** A message that comes into its topic later: `deliverAt` a time (milliseconds since the epoch or a Date), or after a `delay` (`'5m'`). */
export type DelayedMessage<T = Untyped> = MessageFields &
  Content<T> & {
    /**
     * Replaces the message that was published to the topic with the same text here, if that still waits: of a burst only the last
     * comes, and with `delay` only when nothing more has come for so long. Not with a `messageId`.
     */
    readonly debounce?: string
  } & (
    | { readonly deliverAt: number | Date; readonly delay?: undefined }
    | { readonly delay: number | string; readonly deliverAt?: undefined }
  )

/** Where a message is. */
export interface PublishResult {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  /** A message with this `messageId` was there already: this is where. */
  readonly duplicate?: true
}

/** How a topic defined in the program wants its messages. */
export interface PublishRules {
  /** Throws when the payload does not fit. */
  validate?(payload: Untyped): unknown
  /** The version of the schema, for the header. */
  readonly version?: number
  partitioner?(message: Untyped, partitions: number): number
}

/** Most messages have only these; the others are looked at when there is one of them. */
const plain: ReadonlySet<string> = new Set(['key', 'headers', 'partition', 'timestamp', 'payload', 'tombstone'])
const special: ReadonlySet<string> = new Set(['ttl', 'priority', 'messageId', 'deliverAt', 'delay', 'debounce'])
const known = [...plain, ...special].join(', ')
/** Of a `messageId`, and of what `debounce` says. */
const longestText = 512

const invalid = (topic: string, message: string): never => {
  throw new AegisError('MESSAGE_INVALID', `a message for topic ${topic}: ${message}`)
}

/**
 * The record of a message. What depends on when it comes into the topic, the time to live, is for `withExpiry`.
 * @throws AegisError `MESSAGE_INVALID`, `PAYLOAD_INVALID` and what the rules throw
 */
export function encodeMessage(
  { name, codec, partitions }: TopicDescription,
  message: OutgoingMessage | DelayedMessage,
  rules: PublishRules | undefined,
): OutgoingRecord {
  if (typeof message !== 'object' || message === null) return invalid(name, `${String(message)} is not { payload }`)
  let isSpecial = false
  for (const field in message) {
    if (plain.has(field)) continue
    if (!special.has(field)) invalid(name, `field ${JSON.stringify(field)} is not known: there are ${known}`)
    isSpecial = true
  }
  const { key, headers, timestamp, tombstone } = message
  if (key !== undefined && (typeof key !== 'string' || !key.isWellFormed())) {
    invalid(
      name,
      `key is ${typeof key === 'string' ? 'text that is not well-formed' : typeof key}: give well-formed text`,
    )
  }
  if (tombstone !== undefined) checkTombstone(name, message)
  if (tombstone !== true) rules?.validate?.(message.payload)
  let list = headers === undefined ? undefined : encodeHeaders(name, headers)
  if (isSpecial || rules?.version !== undefined) list = [...(list ?? []), ...addedHeaders(name, message, rules)]
  // One shape for all: an object that is put together by what is there costs several times as much.
  return {
    key: key ?? null,
    value: tombstone === true ? null : encodePayload(name, codec, message.payload),
    headers: list,
    partition: message.partition ?? rules?.partitioner?.(message, partitions),
    timestamp,
  }
}

/** The record with the time at which a message that comes into the topic at `time` is no longer wanted. */
export function withExpiry(
  topic: string,
  record: OutgoingRecord,
  ttl: number | string | undefined,
  time: number,
): OutgoingRecord {
  if (ttl === undefined) return record
  const expiresAt = time + milliseconds(topic, 'ttl', ttl)
  return { ...record, headers: [...(record.headers ?? []), header(reserved.expiresAt, expiresAt)] }
}

/** When a delayed message is due, in milliseconds since the epoch. @throws AegisError `MESSAGE_INVALID` */
export function dueTime(topic: string, { deliverAt, delay }: DelayedMessage, now: number): number {
  if (deliverAt !== undefined && delay !== undefined) invalid(topic, 'give deliverAt or delay, not both')
  if (delay !== undefined) return now + milliseconds(topic, 'delay', delay)
  const time = deliverAt instanceof Date ? deliverAt.getTime() : deliverAt
  if (typeof time === 'number' && Number.isSafeInteger(time) && time >= 0) return time
  return invalid(topic, `deliverAt is ${String(deliverAt)}: give milliseconds since the epoch or a Date`)
}

function milliseconds(topic: string, field: string, value: number | string): number {
  try {
    return parseDuration(field, value)
  } catch (error) {
    return invalid(topic, error instanceof Error ? error.message : String(error))
  }
}

function checkText(topic: string, field: string, text: string): void {
  if (typeof text === 'string' && text !== '' && text.isWellFormed() && text.length <= longestText) return
  invalid(topic, `${field} is ${JSON.stringify(text)}: give 1 to ${longestText} characters of text`)
}

function checkTombstone(topic: string, { tombstone, key, payload }: OutgoingMessage | DelayedMessage): void {
  if (typeof tombstone !== 'boolean') invalid(topic, `tombstone is ${JSON.stringify(tombstone)}: give true`)
  if (!tombstone) return
  if (key === undefined) invalid(topic, 'a tombstone needs the key of what it deletes')
  if (payload !== undefined) invalid(topic, 'a tombstone has no payload: it deletes what its key has')
}

function encodeHeaders(topic: string, headers: Readonly<Record<string, string>>): Header[] {
  // Of a Map or Headers nothing would be found.
  const prototype = typeof headers === 'object' && headers !== null ? Object.getPrototypeOf(headers) : undefined
  if (prototype === undefined || (prototype !== null && Object.getPrototypeOf(prototype) !== null)) {
    invalid(topic, `headers are ${String(headers)}: give an object with text by name`)
  }
  return Object.entries(headers).map(([key, value]) => {
    if (typeof value !== 'string') invalid(topic, `header ${JSON.stringify(key)} is ${typeof value}: give text`)
    if (isReserved(key)) invalid(topic, `header ${JSON.stringify(key)}: names that start with $ are reserved`)
    return { key, value: Buffer.from(value) }
  })
}

function addedHeaders(
  topic: string,
  { messageId, debounce, deliverAt, delay, priority, ttl }: OutgoingMessage | DelayedMessage,
  rules: PublishRules | undefined,
): Header[] {
  const added: Header[] = []
  if (messageId !== undefined) {
    checkText(topic, 'messageId', messageId)
    added.push(header(reserved.messageId, messageId))
  }
  if (debounce !== undefined) {
    checkText(topic, 'debounce', debounce)
    if (deliverAt === undefined && delay === undefined) {
      invalid(topic, 'debounce goes with delay or deliverAt: what comes at once cannot be replaced any more')
    }
    if (messageId !== undefined) {
      invalid(
        topic,
        'give messageId or debounce, not both: with the one a repeat is left out, with the other the one before it',
      )
    }
  }
  if (priority !== undefined) {
    if (!Number.isInteger(priority) || priority < 0 || priority > 9) {
      invalid(topic, `priority is ${JSON.stringify(priority)}: give a whole number from 0 to 9`)
    }
    if (priority > 0) added.push(header(reserved.priority, priority))
  }
  if (ttl !== undefined) milliseconds(topic, 'ttl', ttl)
  if (rules?.version !== undefined) added.push(header(reserved.version, rules.version))
  return added
}
