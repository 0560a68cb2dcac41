import { type Delivered, delivered, type NackOptions } from '@aegis/subscription'
import type { EventInput, Metadata, StoredEvent } from './event.ts'

/** An event as it is delivered: with `attempts`, `ack()` and `nack()`, which do nothing without a group. */
export type DeliveredEvent<E extends EventInput = EventInput> = StoredEvent<E> & Delivered

/** A class, for an object spread together costs as much as decoding it. */
export class DeliveredStoredEvent implements StoredEvent, Delivered {
  readonly id: string
  readonly type: string
  readonly streamId: string
  readonly version: number
  readonly position: number
  readonly timestamp: number
  readonly data: unknown
  readonly metadata: Metadata
  readonly attempts: number
  readonly #delivered: Delivered

  constructor(event: StoredEvent, given: Delivered) {
    this.id = event.id
    this.type = event.type
    this.streamId = event.streamId
    this.version = event.version
    this.position = event.position
    this.timestamp = event.timestamp
    this.data = event.data
    this.metadata = event.metadata
    this.attempts = given.attempts
    this.#delivered = given
  }

  /** For `acknowledge(tx, event)`. */
  get [delivered](): Delivered {
    return this.#delivered
  }

  ack(): void {
    this.#delivered.ack()
  }

  nack(options?: NackOptions): void {
    this.#delivered.nack(options)
  }

  extend(duration?: number | string): Promise<void> {
    return this.#delivered.extend(duration)
  }
}
