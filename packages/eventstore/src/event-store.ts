import { type Log, type OpenLogOptions, openLog, type Transaction, type TransactionOptions } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import {
  type AppendEventsOptions,
  type AppendEventsReceipt,
  type AppendEventsResult,
  append,
  appendWithin,
} from './append.ts'
import type { EventInput, StoredEvent } from './event.ts'
import { eventsTopic, maxEventSize } from './event-codec.ts'
import { type LoadEventsOptions, load } from './load.ts'
import { type EventSubscription, follow, type SubscribeEventsOptions } from './subscribe.ts'

/** The event store inside a transaction. */
export interface EventTransaction {
  /** @throws AegisError `VERSION_CONFLICT`, `EVENT_INVALID` */
  append(
    streamId: string,
    events: EventInput | readonly EventInput[],
    options?: AppendEventsOptions,
  ): Promise<AppendEventsReceipt>
  /** With what the transaction has appended; that has `position` -1. */
  load<E extends EventInput = EventInput>(streamId: string, options?: LoadEventsOptions): Promise<StoredEvent<E>[]>
}

/** Streams of events in a log. */
export class EventStore {
  readonly #log: Log
  #owned = false
  #closed = false
  #ready: Promise<unknown> | undefined
  readonly #subscriptions = new Set<EventSubscription>()

  /** Uses the log and never closes it. */
  constructor(log: Log) {
    this.#log = log
  }

  /** Opens a log and owns it. */
  static async open(options: OpenLogOptions): Promise<EventStore> {
    const store = new EventStore(await openLog(options))
    store.#owned = true
    return store
  }

  /**
   * Appends events to a stream in one commit.
   * @throws AegisError `VERSION_CONFLICT`, `EVENT_INVALID`, `RECORD_TOO_LARGE` of the log for an event over 1 MB
   */
  async append(
    streamId: string,
    events: EventInput | readonly EventInput[],
    options: AppendEventsOptions = {},
  ): Promise<AppendEventsResult> {
    await this.#prepare()
    return append(this.#log, streamId, events, options)
  }

  /** The events of a stream in order; none when it does not exist. */
  async load<E extends EventInput = EventInput>(
    streamId: string,
    options?: LoadEventsOptions,
  ): Promise<StoredEvent<E>[]> {
    await this.#prepare()
    return (await load(this.#log, streamId, options)) as StoredEvent<E>[]
  }

  /** Events of a stream, or of all whose id starts with what is before the `*` at the end. The start is fixed when it resolves. */
  async subscribe<E extends EventInput = EventInput>(
    streams: string,
    options: SubscribeEventsOptions = {},
  ): Promise<EventSubscription<E>> {
    await this.#prepare()
    const subscription = follow<E>(this.#log, streams, options)
    this.#subscriptions.add(subscription as EventSubscription)
    return subscription
  }

  /** The store inside a transaction of the log. */
  within(tx: Transaction): EventTransaction {
    return {
      append: async (streamId, events, options = {}) => {
        await this.#prepare()
        return appendWithin(tx, streamId, events, options)
      },
      load: async <E extends EventInput>(streamId: string, options?: LoadEventsOptions) => {
        await this.#prepare()
        return (await load(tx, streamId, options)) as StoredEvent<E>[]
      },
    }
  }

  /**
   * Appends to several streams in one commit. Serializable; the function is run again after a conflict, so it should have
   * no other effects.
   */
  async transaction<T>(
    work: (events: EventTransaction, tx: Transaction) => Promise<T> | T,
    options?: TransactionOptions,
  ): Promise<T> {
    await this.#prepare()
    return this.#log.transaction(tx => work(this.within(tx), tx), options)
  }

  /** Ends subscriptions, and closes the log if it was opened here. */
  async close(): Promise<void> {
    this.#closed = true
    for (const subscription of this.#subscriptions) subscription.close()
    if (this.#owned) await this.#log.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** A transaction cannot make topics, but one can be made while it is open, in a commit before its own. */
  #prepare(): Promise<unknown> {
    if (this.#closed) throw new AegisError('EVENT_STORE_CLOSED', 'the event store is closed: open another')
    const maxMessageSize = Math.min(maxEventSize, this.#log.capabilities.maxMessageSize)
    this.#ready ??= this.#log.createTopic(eventsTopic, { keyed: 'history', maxMessageSize }).catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }
}
