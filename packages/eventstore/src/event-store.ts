import {
  type Log,
  type OpenLogOptions,
  openLog,
  type Transaction,
  type TransactionOptions,
  type Untyped,
} from '@aegis/log'
import { type CloseOptions, type Handler, type RedriveOptions, redrive } from '@aegis/subscription'
import { append } from './appending/append.ts'
import { type AppendEventsOptions, type AppendEventsResult, prepareAppend } from './appending/prepare-append.ts'
import type { AggregateRoot } from './commands/aggregate-root.ts'
import { type AggregateCommand, type AggregateOptions, aggregateHandler, type EventOf } from './commands/aggregates.ts'
import type { CommandHandler } from './commands/command-handler.ts'
import type { Decider } from './commands/decider.ts'
import { type DeciderOptions, deciderHandler } from './commands/decider-handler.ts'
import { type ConsumeEventsOptions, EventConsumer } from './consumers/event-consumer.ts'
import { groupsOf } from './consumers/slots.ts'
import type { DeliveredEvent } from './delivered-event.ts'
import type { EventInput, StoredEvent } from './event.ts'
import { eventsTopic } from './event-codec.ts'
import { EventLog, type EventStoreOptions } from './event-log.ts'
import { EventTransaction } from './event-transaction.ts'
import type { EventIterator } from './reading/event-iterator.ts'
import { load, type ReadEventsOptions, read } from './reading/read.ts'
import { type ReadAllOptions, readAll } from './reading/read-all.ts'
import { describeStream, type StreamDescription } from './streams/describe-stream.ts'
import { listStreams, type StreamSummary } from './streams/list-streams.ts'
import type { DeleteStreamOptions } from './streams/stream-administration.ts'
import type { StreamRetention } from './streams/stream-state.ts'
import { type EventSubscription, type SubscribeEventsOptions, subscribeToEvents } from './subscribe.ts'

/** Streams of events in a log. */
export class EventStore implements AsyncDisposable {
  readonly #log: Log
  readonly #events: EventLog
  #owned = false

  /** Uses the log and never closes it. */
  constructor(log: Log, options: EventStoreOptions = {}) {
    this.#log = log
    this.#events = new EventLog(log, options)
    this.#events.belongTo(this)
  }

  /** Opens a log and owns it. */
  static async open(options: OpenLogOptions & EventStoreOptions): Promise<EventStore> {
    const { upcasters, downcasters, projections, types, unknownTypes, privacy, ...logOptions } = options
    const log = await openLog(logOptions)
    try {
      const store = new EventStore(log, options)
      store.#owned = true
      return store
    } catch (error) {
      // What is refused leaves nothing open.
      await log.close()
      throw error
    }
  }

  /**
   * Appends events to a stream in one commit. With ids given, an append that is repeated gives the first one's result.
   * @throws AegisError `VERSION_CONFLICT`, `EVENT_INVALID`, `EVENT_ID_USED`, `STREAM_TOMBSTONED`, and of the log
   * `RECORD_TOO_LARGE` for an event over 1 MB
   */
  async append(
    streamId: string,
    events: EventInput | readonly EventInput[],
    options: AppendEventsOptions = {},
  ): Promise<AppendEventsResult> {
    const prepared = await prepareAppend(this.#events, streamId, events, options)
    await this.#events.prepare()
    return append(this.#events, prepared)
  }

  /** The events of a stream; none when it does not exist. All at once: `read` gives those of long streams one by one. */
  async load<E extends EventInput = EventInput>(
    streamId: string,
    options?: ReadEventsOptions,
  ): Promise<StoredEvent<E>[]> {
    await this.#events.prepare()
    return (await load(this.#events, this.#log, streamId, options)) as StoredEvent<E>[]
  }

  /** The events of a stream one after the other, in bounded memory whatever its length. */
  read<E extends EventInput = EventInput>(
    streamId: string,
    options?: ReadEventsOptions,
  ): EventIterator<StoredEvent<E>> {
    return read(this.#events, this.#log, streamId, options) as EventIterator<StoredEvent<E>>
  }

  /** Events of all streams, or those of a filter, by position: what is stored when the reading begins. Deleted ones too. */
  readAll<E extends EventInput = EventInput>(options: ReadAllOptions<E> = {}): EventIterator<StoredEvent<E>> {
    return readAll(this.#events, options) as EventIterator<StoredEvent<E>>
  }

  /**
   * The streams that have events, in byte order: all (`'*'`, default), those that begin so (`'account-*'`), or one. Deleted
   * ones are left out.
   * @throws AegisError `EVENT_INVALID`
   */
  listStreams(streams = '*'): AsyncGenerator<StreamSummary, void, undefined> {
    return listStreams(this.#events, streams)
  }

  /** Where a stream is, and how much of it is kept; of one that does not exist too. @throws AegisError `EVENT_INVALID` */
  async describeStream(streamId: string): Promise<StreamDescription> {
    await this.#events.prepare()
    return describeStream(this.#events, this.#log, streamId)
  }

  /**
   * Events of a stream (`'account-1'`), of all that begin so (`'account-*'`), or of all streams (`'*'`): first what is
   * stored, then what comes. The start is fixed when it resolves. Members of one group must ask for the same events.
   * @throws AegisError `EVENT_INVALID`, `SUBSCRIPTION_INVALID`
   */
  async subscribe<E extends EventInput = EventInput>(
    streams: string,
    options: SubscribeEventsOptions<E> = {},
  ): Promise<EventSubscription<E>> {
    await this.#events.prepare()
    const subscription = await subscribeToEvents<E>(this.#events, streams, options)
    const { dependents } = this.#events
    dependents.add(subscription)
    subscription.onClose(() => dependents.delete(subscription))
    return subscription
  }

  /**
   * Calls the handler for events as a member of a group that shares the streams with the others, in this process or others
   * of a cluster: the events of each stream in order, those of one stream at one member at a time. When members come, go or
   * are killed, their streams move. As `run` of a subscription it acknowledges, retries and parks.
   * @throws AegisError `EVENT_INVALID`, `SUBSCRIPTION_INVALID`
   */
  async consume<E extends EventInput = EventInput>(
    streams: string,
    options: ConsumeEventsOptions<E>,
    handler: Handler<DeliveredEvent<E>>,
  ): Promise<EventConsumer<E>> {
    await this.#events.prepare()
    return EventConsumer.start(this.#events, streams, handler, options)
  }

  /**
   * Gives a group the events back that it could not handle: to the group alone, with its attempts counted anew. Gives how
   * many they are; each is given back once, whoever calls.
   */
  async redrive(groupId: string, options?: RedriveOptions): Promise<number> {
    await this.#events.prepare()
    let count = 0
    for (const group of await groupsOf(this.#log, groupId))
      count += await redrive(this.#log, eventsTopic, group, options)
    return count
  }

  /** Commands that a decider decides, on the streams that they are given for. */
  commandHandler<State, Command, E extends EventInput>(
    decider: Decider<State, Command, E>,
    options: DeciderOptions<State> = {},
  ): CommandHandler<State, Command, E> {
    return deciderHandler(this.#events, decider, options)
  }

  /** Commands that are methods of an aggregate: `accounts.handle('account-1', account => account.deposit(5))`. */
  aggregates<A extends AggregateRoot<Untyped>>(
    type: new () => A,
    options: AggregateOptions<A> = {},
  ): CommandHandler<A, AggregateCommand<A>, EventOf<A>> {
    return aggregateHandler(this.#events, type, options)
  }

  /** The store inside a transaction of the log. */
  within(tx: Transaction): EventTransaction {
    this.#events.check()
    return new EventTransaction(this.#events, tx)
  }

  /**
   * Several streams in one commit. Serializable; the function is run again after a conflict, so it should have no other
   * effects.
   */
  async transaction<T>(
    work: (events: EventTransaction, tx: Transaction) => Promise<T> | T,
    options?: TransactionOptions,
  ): Promise<T> {
    await this.#events.prepare()
    return this.#log.transaction(tx => work(this.within(tx), tx), options)
  }

  /**
   * Deletes a stream: it reads as one that does not exist, and an append begins it anew, with the versions going on;
   * after a tombstone nothing can be appended. Its events are taken out of it; the feed, which `readAll` and subscriptions
   * read, may still have them.
   * @throws AegisError `VERSION_CONFLICT`, `STREAM_TOMBSTONED`
   */
  deleteStream(streamId: string, options: DeleteStreamOptions = {}): Promise<void> {
    return this.transaction(tx => tx.deleteStream(streamId, options), { retries: 100 })
  }

  /** Takes away the events before a version. @throws AegisError `EVENT_INVALID`, `STREAM_TOMBSTONED` */
  truncateStream(streamId: string, { before }: { before: number }): Promise<void> {
    return this.transaction(tx => tx.truncateStream(streamId, { before }), { retries: 100 })
  }

  /**
   * How much of a stream is kept: its newest `maxCount` events, none older than `maxAge`. Replaces what was set before. What
   * is not kept is not read any more, and taken away when more is appended.
   * @throws AegisError `EVENT_INVALID`, `LOG_INVALID` for a `maxAge` that is no duration, `STREAM_TOMBSTONED`
   */
  retainStream(streamId: string, retention: StreamRetention): Promise<void> {
    return this.transaction(tx => tx.retainStream(streamId, retention), { retries: 100 })
  }

  /**
   * Ends subscriptions, projections and workflows, and closes the log if it was opened here. Handlers are waited for, with `timeout` no
   * longer than that.
   * @throws AegisError `SUBSCRIPTION_INVALID`
   */
  async close(options: CloseOptions = {}): Promise<void> {
    await this.#events.close(options)
    if (this.#owned) await this.#log.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
