import type { Transaction } from '@aegis/log'
import { type AppendEventsReceipt, appendWithin } from './appending/append-within.ts'
import { type AppendEventsOptions, prepareAppend } from './appending/prepare-append.ts'
import type { EventInput, StoredEvent } from './event.ts'
import type { EventLog } from './event-log.ts'
import type { EventIterator } from './reading/event-iterator.ts'
import { load, type ReadEventsOptions, read } from './reading/read.ts'
import { describeStream, type StreamDescription } from './streams/describe-stream.ts'
import {
  type DeleteStreamOptions,
  deleteStream,
  retainStream,
  truncateStream,
} from './streams/stream-administration.ts'
import type { StreamRetention } from './streams/stream-state.ts'

/** The event store inside a transaction: reads see what the transaction has appended, which has `position` -1. */
export class EventTransaction {
  readonly #events: EventLog
  readonly #tx: Transaction

  constructor(events: EventLog, tx: Transaction) {
    this.#events = events
    this.#tx = tx
  }

  /** @throws AegisError `VERSION_CONFLICT`, `EVENT_INVALID`, `EVENT_ID_USED`, `STREAM_TOMBSTONED` */
  async append(
    streamId: string,
    events: EventInput | readonly EventInput[],
    options: AppendEventsOptions = {},
  ): Promise<AppendEventsReceipt> {
    const prepared = await prepareAppend(this.#events, streamId, events, options)
    await this.#events.prepare()
    return appendWithin(this.#events, this.#tx, prepared)
  }

  /** As `EventStore.load`. */
  async load<E extends EventInput = EventInput>(
    streamId: string,
    options?: ReadEventsOptions,
  ): Promise<StoredEvent<E>[]> {
    await this.#events.prepare()
    return (await load(this.#events, this.#tx, streamId, options)) as StoredEvent<E>[]
  }

  /** As `EventStore.read`. */
  read<E extends EventInput = EventInput>(
    streamId: string,
    options?: ReadEventsOptions,
  ): EventIterator<StoredEvent<E>> {
    return read(this.#events, this.#tx, streamId, options) as EventIterator<StoredEvent<E>>
  }

  /** As `EventStore.deleteStream`. */
  async deleteStream(streamId: string, options: DeleteStreamOptions = {}): Promise<void> {
    await this.#events.prepare()
    await deleteStream(this.#events, this.#tx, streamId, options)
  }

  /** As `EventStore.truncateStream`. */
  async truncateStream(streamId: string, { before }: { before: number }): Promise<void> {
    await this.#events.prepare()
    await truncateStream(this.#events, this.#tx, streamId, before)
  }

  /** As `EventStore.retainStream`. */
  async retainStream(streamId: string, retention: StreamRetention): Promise<void> {
    await this.#events.prepare()
    await retainStream(this.#events, this.#tx, streamId, retention)
  }

  /** As `EventStore.describeStream`. */
  async describeStream(streamId: string): Promise<StreamDescription> {
    await this.#events.prepare()
    return describeStream(this.#events, this.#tx, streamId)
  }
}
