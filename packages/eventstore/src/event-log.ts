import type { Log, LogReader } from '@aegis/log'
import type { StoredEvent } from './event.ts'
import { EventCodec, eventsTopic, maxEventSize } from './event-codec.ts'
import { InlineProjections } from './inline-projections.ts'
import { invalid } from './invalid.ts'
import type { PreparedAppend } from './prepare-append.ts'
import type { Projection } from './projection.ts'
import { anyStreamState, readStreamState, type StreamState } from './stream-state.ts'
import { type Upcaster, UpcasterChain } from './upcaster.ts'

export interface EventStoreOptions {
  /** How events of older schemas become such of the newest. */
  upcasters?: readonly Upcaster[]
  /** Applied in the transaction of each append. */
  projections?: readonly Projection[]
}

// The parts of this package that are imported by themselves work on what is inside of a store.
const eventLogs = new WeakMap<object, EventLog>()

/** What is inside of a store. @throws AegisError `EVENT_INVALID` for anything else */
export function eventLogOf(store: object): EventLog {
  const events = eventLogs.get(store)
  if (events === undefined) throw invalid('this is not an EventStore of @aegis/eventstore: give one')
  return events
}

// By log, not by store: two stores of one log must know of each other's.
const logsWithStreamStates = new WeakSet<Log>()

/** The events in a log, and what is configured about them. */
export class EventLog {
  readonly log: Log
  readonly codec: EventCodec
  readonly projections: InlineProjections
  /** What stands on the store and ends with it. */
  readonly dependents = new Set<{ close(): Promise<void> }>()
  #ready: Promise<void> | undefined

  constructor(log: Log, { upcasters = [], projections = [] }: EventStoreOptions) {
    this.log = log
    this.codec = new EventCodec(new UpcasterChain(upcasters))
    this.projections = new InlineProjections(projections)
  }

  /** To be called once, by the store that it is inside of. */
  belongTo(store: object): void {
    eventLogs.set(store, this)
  }

  /** A transaction cannot make the topic, but it can be made while one is open, in a commit before its own. */
  prepare(): Promise<void> {
    this.#ready ??= this.#prepare().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  /** The version of the last record of a stream, whatever its state. */
  async lastRecord(reader: LogReader, key: Uint8Array): Promise<number | undefined> {
    return (await reader.get(eventsTopic, key))?.version
  }

  async history(reader: LogReader, key: Uint8Array, options: { from: number; limit?: number }): Promise<StoredEvent[]> {
    return (await reader.history(eventsTopic, key, options)).map(this.codec.decode)
  }

  /** So many events from a version on, and how many bytes they have. */
  async page(
    reader: LogReader,
    key: Uint8Array,
    from: number,
    limit: number,
  ): Promise<{ page: StoredEvent[]; bytes: number }> {
    const records = await reader.history(eventsTopic, key, { from, limit })
    const bytes = records.reduce((sum, { value }) => sum + value!.length, 0)
    return { page: records.map(this.codec.decode), bytes }
  }

  /** The events of an append as they will be read, if its first has this version; their position is not known: -1. */
  stored({ key, records }: PreparedAppend, first: number, timestamp: number): StoredEvent[] {
    const place = { topic: eventsTopic, partition: 0, offset: -1, key, timestamp, headers: [] }
    return records.map(({ value }, at) => this.codec.decode({ ...place, value, version: first + at }))
  }

  /** Costs nothing as long as no stream has a state. */
  async streamState(reader: LogReader, key: Uint8Array): Promise<StreamState | undefined> {
    return logsWithStreamStates.has(this.log) ? readStreamState(reader, key) : undefined
  }

  /** From now on states are looked for. */
  expectStreamStates(): void {
    logsWithStreamStates.add(this.log)
  }

  async #prepare(): Promise<void> {
    const maxMessageSize = Math.min(maxEventSize, this.log.capabilities.maxMessageSize)
    await this.log.createTopic(eventsTopic, { keyed: 'history', maxMessageSize })
    if (await anyStreamState(this.log)) this.expectStreamStates()
  }
}
