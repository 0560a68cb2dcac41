import {
  decodePayload,
  encodePayload,
  type LogRecord,
  type OutgoingRecord,
  type TopicDescription,
  type Untyped,
} from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Delivered, NackOptions } from '@aegis/subscription'

/** A payload, or a tombstone for a key. */
export type OutgoingMessage<T = Untyped> = {
  /** Messages of one key keep their order. */
  readonly key?: string
  /** Text by name. Lists with several of one name are for the log. */
  readonly headers?: Readonly<Record<string, string>>
  /** Default: that of the key; without a key in turn. */
  readonly partition?: number
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number
} & ({ readonly payload: T; readonly tombstone?: false } | { readonly key: string; readonly tombstone: true })

/** Where a message is. */
export interface PublishResult {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
}

/** A message as a subscription gives it. */
export interface Message<T = Untyped> extends PublishResult {
  readonly key: string | null
  /** Without prototype; of equal names the last. All are in `record`. */
  readonly headers: Readonly<Record<string, string>>
  /** `undefined` for a tombstone. */
  readonly payload: T
  /** As it is stored. */
  readonly record: LogRecord
  /** Which delivery to the group this is: 1 for the first. */
  readonly attempts: number
  /** Done with it: it is not delivered to the group again. Without a group nothing happens. */
  ack(): void
  /** Not done: it is delivered again after a while, or goes to the dead letters when it was refused often enough. */
  nack(options?: NackOptions): void
}

const fields = ['key', 'headers', 'partition', 'timestamp', 'payload', 'tombstone']
const known: ReadonlySet<string> = new Set(fields)

const invalid = (topic: string, message: string): never => {
  throw new AegisError('MESSAGE_INVALID', `a message for topic ${topic}: ${message}`)
}

/** @throws AegisError `MESSAGE_INVALID`, `PAYLOAD_INVALID` and what `validate` throws */
export function encodeMessage(
  { name, codec }: TopicDescription,
  message: OutgoingMessage,
  validate: ((payload: unknown) => unknown) | undefined,
): OutgoingRecord {
  if (typeof message !== 'object' || message === null) return invalid(name, `${String(message)} is not { payload }`)
  for (const field in message) {
    if (!known.has(field)) invalid(name, `field ${JSON.stringify(field)} is not known: there are ${fields.join(', ')}`)
  }
  const { key, headers, partition, timestamp, tombstone } = message
  if (key !== undefined && (typeof key !== 'string' || !key.isWellFormed())) {
    invalid(
      name,
      `key is ${typeof key === 'string' ? 'text that is not well-formed' : typeof key}: give well-formed text`,
    )
  }
  if (tombstone === true && key === undefined) invalid(name, 'a tombstone needs the key of what it deletes')
  if (tombstone !== true && validate !== undefined) validate(message.payload)
  // One shape for all: an object that is put together by what is there costs several times as much.
  return {
    key: key ?? null,
    value: tombstone === true ? null : encodePayload(name, codec, message.payload),
    headers: headers === undefined ? undefined : encodeHeaders(name, headers),
    partition,
    timestamp,
  }
}

function encodeHeaders(topic: string, headers: Readonly<Record<string, string>>): { key: string; value: Uint8Array }[] {
  return Object.entries(headers).map(([key, value]) => {
    if (typeof value !== 'string') invalid(topic, `header ${JSON.stringify(key)} is ${typeof value}: give text`)
    return { key, value: Buffer.from(value) }
  })
}

const noHeaders: Readonly<Record<string, string>> = Object.freeze(Object.create(null))

function decodeHeaders({ headers }: LogRecord): Readonly<Record<string, string>> {
  if (headers.length === 0) return noHeaders
  const decoded: Record<string, string> = Object.create(null)
  for (const { key, value } of headers) decoded[key] = value === null ? '' : Buffer.from(value).toString()
  return decoded
}

/** A record that was delivered, as a message. A class, for an object spread together costs as much as decoding it. */
export class DeliveredMessage<T> implements Message<T> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly headers: Readonly<Record<string, string>>
  readonly payload: T
  readonly record: LogRecord
  readonly attempts: number
  readonly #delivered: Delivered

  /** `decode` says what the payload means. @throws AegisError what `decode` throws */
  constructor(record: LogRecord, delivered: Delivered, decode: (record: LogRecord) => T) {
    const { key } = record
    this.topic = record.topic
    this.partition = record.partition
    this.offset = record.offset
    this.timestamp = record.timestamp
    this.key = key === null ? null : Buffer.from(key.buffer, key.byteOffset, key.length).toString('utf8')
    this.headers = decodeHeaders(record)
    this.payload = decode(record)
    this.record = record
    this.attempts = delivered.attempts
    this.#delivered = delivered
  }

  ack(): void {
    this.#delivered.ack()
  }

  nack(options?: NackOptions): void {
    this.#delivered.nack(options)
  }
}

/** What the payload of a topic named by a string is. */
export const decoderOf =
  ({ codec }: TopicDescription) =>
  (record: LogRecord): Untyped =>
    decodePayload(codec, record)
