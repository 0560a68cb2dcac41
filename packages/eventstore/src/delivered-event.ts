import { type Delivered, DeliveredItem } from '@aegis/subscription'
import type { EventInput, Metadata, StoredEvent } from './event.ts'

/** An event as it is delivered: with `attempts`, `ack()` and `nack()`, which do nothing without a group. */
export type DeliveredEvent<E extends EventInput = EventInput> = StoredEvent<E> & Delivered

export class DeliveredStoredEvent extends DeliveredItem implements StoredEvent {
  readonly id: string
  readonly type: string
  readonly streamId: string
  readonly version: number
  readonly position: number
  readonly timestamp: number
  readonly data: unknown
  readonly metadata: Metadata

  constructor(event: StoredEvent, given: Delivered) {
    super(given)
    this.id = event.id
    this.type = event.type
    this.streamId = event.streamId
    this.version = event.version
    this.position = event.position
    this.timestamp = event.timestamp
    this.data = event.data
    this.metadata = event.metadata
  }
}
