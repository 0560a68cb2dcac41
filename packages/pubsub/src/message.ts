import { keyText, type LogRecord, type Untyped } from '@aegis/log'
import { type Delivered, DeliveredItem, type NackOptions } from '@aegis/subscription'
import type { PublishResult } from './outgoing-message.ts'
import { headerOf, isReserved, reserved } from './reserved-headers.ts'

/** A message as the topic has it. */
export interface StoredMessage<T = Untyped> extends Omit<PublishResult, 'duplicate'> {
  readonly key: string | null
  /** Without prototype; of equal names the last. All are in `record`. */
  readonly headers: Readonly<Record<string, string>>
  /** `undefined` for a tombstone. */
  readonly payload: T
  /** What it was published with, if anything. */
  readonly messageId: string | undefined
  /** As it is stored. */
  readonly record: LogRecord
}

/** A message as a subscription gives it. */
export interface Message<T = Untyped> extends StoredMessage<T> {
  /** Which delivery to the group this is: 1 for the first. */
  readonly attempts: number
  /** Done with it: it is not delivered to the group again. Without a group nothing happens. */
  ack(): void
  /** Not done: it is delivered again after a while, or goes to the dead letters when it was refused often enough. */
  nack(options?: NackOptions): void
  /**
   * With `mode: 'shared'`: needs longer, milliseconds or `'5m'`, by default the subscription's `lease` from now on. Resolves
   * when that is durable. @throws AegisError `LEASE_LAPSED`
   */
  extend(duration?: number | string): Promise<void>
}

const noHeaders: Readonly<Record<string, string>> = Object.freeze(Object.create(null))

function decodeHeaders({ headers }: LogRecord): Readonly<Record<string, string>> {
  if (headers.length === 0) return noHeaders
  const decoded: Record<string, string> = Object.create(null)
  for (const { key, value } of headers) {
    if (!isReserved(key)) decoded[key] = value === null ? '' : Buffer.from(value).toString()
  }
  return decoded
}

/** A record that was delivered, as a message. */
export class DeliveredMessage<T> extends DeliveredItem implements Message<T> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly headers: Readonly<Record<string, string>>
  readonly payload: T
  readonly record: LogRecord

  /** `decode` says what the payload means. @throws AegisError what `decode` throws */
  constructor(record: LogRecord, delivered: Delivered, decode: (record: LogRecord) => T) {
    super(delivered)
    this.topic = record.topic
    this.partition = record.partition
    this.offset = record.offset
    this.timestamp = record.timestamp
    this.key = keyText(record)
    this.headers = decodeHeaders(record)
    this.payload = decode(record)
    this.record = record
  }

  get messageId(): string | undefined {
    return headerOf(this.record, reserved.messageId)
  }
}
