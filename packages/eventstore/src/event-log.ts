import type { Log, LogReader, LogRecord, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { CloseOptions } from '@aegis/subscription'
import type { PreparedAppend } from './appending/prepare-append.ts'
import type { EventInput, StoredEvent } from './event.ts'
import { EventCodec, eventsTopic, type KnownTypes, maxEventSize } from './event-codec.ts'
import { type EventProtection, type SubjectKeys, subjectHeader } from './event-protection.ts'
import { announceForgotten } from './forgetting.ts'
import { InlineProjections } from './inline-projections.ts'
import { invalid } from './invalid.ts'
import type { BindableProjection, Projection } from './projection.ts'
import { type SchemaChange, Schemas } from './schema-change.ts'
import { anyStreamState, readStreamState, type StreamState } from './streams/stream-state.ts'
import { TraceContext } from './trace-context.ts'

export interface EventStoreOptions extends KnownTypes, SchemaChange {
  /** Applied in the transaction of each append. */
  projections?: readonly (Projection | BindableProjection)[]
  /** Keeps chosen fields readable only until their subject is forgotten: a `Privacy` of `@aegis/eventstore/privacy`. */
  privacy?: { protect(log: Log, store: ForgettingStore): EventProtection }
}

/** A store that is told when a subject is forgotten. */
export interface ForgettingStore {
  readonly closed: boolean
  /** Appends that a subject was forgotten, in the transaction that forgets. */
  announce(tx: Transaction, subject: string): Promise<void>
}

// The parts of this package that are imported by themselves work on what is inside of a store.
const eventLogs = new WeakMap<object, EventLog>()

/** What is inside of a store. @throws AegisError `EVENT_INVALID` for anything else */
export function eventLogOf(store: object): EventLog {
  const events = eventLogs.get(store)
  if (events === undefined) throw invalid('this is not an EventStore of @aegis/eventstore: give one')
  return events
}

/** A piece of a stream by versions, both ends included; `Infinity` where there is no end. */
export interface VersionSpan {
  readonly first: number
  readonly last: number
  readonly limit: number
  readonly maxBytes?: number
}

/** What was read of a stream. */
export interface HistoryPage {
  readonly events: StoredEvent[]
  /** Lowest version read, which may be of an event that is left out. */
  readonly first: number
  /** The version after the highest read; `first` when nothing was. */
  readonly next: number
  readonly bytes: number
}

// By log, not by store: two stores of one log must know of each other's.
const logsWithStreamStates = new WeakSet<Log>()

/** The events in a log, and what is configured about them. */
export class EventLog implements ForgettingStore {
  readonly log: Log
  readonly codec: EventCodec
  readonly projections: InlineProjections
  readonly protection: EventProtection | undefined
  readonly trace = TraceContext.load()
  /** What stands on the store and ends with it. */
  readonly dependents = new Set<{ close(options: CloseOptions): Promise<void> }>()
  readonly #keys = new WeakMap<LogRecord, SubjectKeys>()
  #ready: Promise<void> | undefined
  #prepared = false
  #closed = false

  constructor(log: Log, options: EventStoreOptions) {
    this.log = log
    this.protection = options.privacy?.protect(log, this)
    this.codec = new EventCodec(new Schemas(options), options, this.protection)
    this.projections = new InlineProjections(log, options.projections ?? [])
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Of the topic of the events: what is known of events in another says nothing of those in this one. */
  get incarnation(): string {
    return this.log.topic(eventsTopic).incarnation
  }

  announce(tx: Transaction, subject: string): Promise<void> {
    return announceForgotten(this, tx, subject)
  }

  /** To be called once, by the store that it is inside of. */
  belongTo(store: object): void {
    eventLogs.set(store, this)
  }

  /** @throws AegisError `EVENT_STORE_CLOSED` */
  check(): void {
    if (this.#closed) throw new AegisError('EVENT_STORE_CLOSED', 'the event store is closed: open another')
  }

  /** From now on nothing can be done with it; what stands on it ends. */
  async close(options: CloseOptions): Promise<void> {
    this.#closed = true
    await Promise.all([...this.dependents].map(dependent => dependent.close(options)))
  }

  /**
   * Makes the topic: a transaction cannot, but it can be made while one is open, in a commit before its own. Nothing is to be
   * waited for once it is there.
   * @throws AegisError `EVENT_STORE_CLOSED`
   */
  prepare(): Promise<void> | undefined {
    this.check()
    if (this.#prepared) return undefined
    this.#ready ??= this.#prepare().then(
      () => {
        this.#prepared = true
      },
      (error: unknown) => {
        this.#ready = undefined
        throw error
      },
    )
    return this.#ready
  }

  /** The version of the last event that a stream ever had. */
  async lastVersion(reader: LogReader, key: Uint8Array): Promise<number | undefined> {
    const last = await reader.get(eventsTopic, key)
    if (last !== undefined) return last.version
    // Nothing is left of a stream that was truncated to its end.
    const before = (await this.streamState(reader, key))?.truncateBefore ?? 0
    return before === 0 ? undefined : before - 1
  }

  /** Gives back the space of a stream's events before a version, which are not read any more, where the log can do so. */
  takeAway(tx: Transaction, key: Uint8Array, before: number): void {
    if (before > 0 && this.log.capabilities.truncation) tx.truncateHistory(eventsTopic, key, before)
  }

  /** Events of a stream, backwards from the last on; those of unknown types may be left out. */
  async history(
    reader: LogReader,
    streamId: string,
    key: Uint8Array,
    { first, last, limit, maxBytes }: VersionSpan,
    backwards: boolean,
  ): Promise<HistoryPage> {
    const most = Math.min(limit, last - first + 1)
    const found =
      most <= 0
        ? []
        : await reader.history(eventsTopic, key, {
            ...(backwards ? last !== Infinity && { from: last } : { from: first }),
            ...(most !== Infinity && { limit: most }),
            ...(maxBytes !== undefined && { maxBytes }),
            ...(backwards && { reverse: true }),
          })
    // Where versions were taken away, as many are found beyond them.
    const records = found.filter(({ version }) => version >= first && version <= last)
    await this.fetchKeys(records)
    const decoded = records.map(record => this.codec.decodeOf(streamId, record, this.#keysOf(record)))
    const [lowest, highest] = backwards ? [records.at(-1), records[0]] : [records[0], records.at(-1)]
    return {
      events: this.codec.taken(decoded),
      first: lowest?.version ?? first,
      next: highest === undefined ? first : highest.version + 1,
      // Rarely asked for, and each value is a view to be made.
      get bytes() {
        return records.reduce((sum, { value }) => sum + value!.length, 0)
      },
    }
  }

  /** The events of an append as they will be read, if its first has this version; their position is not known: -1. */
  stored({ streamId, records, keys }: PreparedAppend, first: number, timestamp: number): StoredEvent[] {
    return records.map(({ value }, at) =>
      this.codec.decodeText(value, streamId, { version: first + at, offset: -1, timestamp }, keys),
    )
  }

  /** Gets ready what `decode` needs to read private parts of records. */
  fetchKeys(records: readonly LogRecord[]): Promise<void> | undefined {
    const { protection } = this
    if (protection === undefined) return undefined
    const subjects = new Map<LogRecord, string[]>()
    for (const record of records) {
      const named = record.headers.filter(({ key }) => key === subjectHeader)
      if (named.length > 0)
        subjects.set(
          record,
          named.map(({ value }) => Buffer.from(value!).toString()),
        )
    }
    return subjects.size === 0 ? undefined : this.#fetchKeys(protection, subjects)
  }

  /** The event in a record. Of one with private parts the keys must have been fetched. */
  decode(record: LogRecord): StoredEvent {
    return this.codec.decode(record, this.#keysOf(record))
  }

  /** The keys that events need to be appended, made where there are none; `undefined` when nothing is private. */
  keysFor(streamId: string, events: readonly EventInput[]): Promise<SubjectKeys> | undefined {
    if (this.protection === undefined) return undefined
    const subjects = new Set(events.flatMap(event => this.codec.subjectsOf(streamId, event)))
    return subjects.size === 0 ? undefined : this.protection.keysFor(streamId, [...subjects])
  }

  /** Nothing to be waited for as long as no stream has a state; where other processes write, one may have by now. */
  streamState(reader: LogReader, key: Uint8Array): Promise<StreamState | undefined> | undefined {
    const { log } = this
    return log.capabilities.shared || logsWithStreamStates.has(log)
      ? readStreamState(reader, key, this.incarnation)
      : undefined
  }

  /** From now on states are looked for. */
  expectStreamStates(): void {
    logsWithStreamStates.add(this.log)
  }

  #keysOf(record: LogRecord): SubjectKeys | undefined {
    return this.protection === undefined ? undefined : this.#keys.get(record)
  }

  async #fetchKeys(protection: EventProtection, subjects: ReadonlyMap<LogRecord, readonly string[]>): Promise<void> {
    const keys = await protection.keysOf(new Set([...subjects.values()].flat()))
    for (const record of subjects.keys()) this.#keys.set(record, keys)
  }

  async #prepare(): Promise<void> {
    const maxMessageSize = Math.min(maxEventSize, this.log.capabilities.maxMessageSize)
    await this.log.createTopic(eventsTopic, { keyed: 'history', maxMessageSize })
    if (await anyStreamState(this.log)) this.expectStreamStates()
  }
}
