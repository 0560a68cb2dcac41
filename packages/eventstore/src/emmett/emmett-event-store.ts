import {
  type AggregateStreamOptions,
  type AggregateStreamResultWithGlobalPosition,
  type AppendToStreamOptions,
  type AppendToStreamResultWithGlobalPosition,
  assertExpectedVersionMatchesCurrent,
  type BigIntStreamPosition,
  downcastRecordedMessage,
  type EventStore as EmmettInterface,
  type Event,
  type ReadEvent,
  type ReadEventMetadataWithGlobalPosition,
  type ReadStreamOptions,
  type ReadStreamResult,
  upcastRecordedMessage,
} from '@event-driven-io/emmett'
import type { StoredEvent } from '../event.ts'
import type { EventStore } from '../event-store.ts'
import type { ReadEventsOptions } from '../reading/read.ts'
import { expectationOf, numberOf, positionOf, versionOf, withEmmettConflicts } from './emmett-versions.ts'

type Recorded<E extends Event> = ReadEvent<E, ReadEventMetadataWithGlobalPosition>

/** Emmett's `EventStore` over an Aegis one: for applications that are written with Emmett. */
export interface EmmettEventStore extends EmmettInterface<ReadEventMetadataWithGlobalPosition> {
  aggregateStream<State, EventType extends Event, EventPayloadType extends Event = EventType>(
    streamName: string,
    options: AggregateStreamOptions<State, EventType, ReadEventMetadataWithGlobalPosition, EventPayloadType>,
  ): Promise<AggregateStreamResultWithGlobalPosition<State>>
  appendToStream<EventType extends Event, EventPayloadType extends Event = EventType>(
    streamName: string,
    events: EventType[],
    options?: AppendToStreamOptions<BigIntStreamPosition, EventType, EventPayloadType>,
  ): Promise<AppendToStreamResultWithGlobalPosition>
  /** Closes the store that it stands on. */
  close(): Promise<void>
}

type ReadOptions<E extends Event, Payload extends Event> = ReadStreamOptions<BigIntStreamPosition, E, Payload>

/** An event as Emmett has them, of the newest schema by Emmett's own upcasting. */
function recordedOf<E extends Event, Payload extends Event>(
  { type, data, metadata, id, streamId, version, position }: StoredEvent,
  options: ReadOptions<E, Payload> | undefined,
): Recorded<E> {
  const recorded = {
    type,
    data,
    kind: 'Event',
    metadata: {
      ...metadata,
      messageId: id,
      streamName: streamId,
      streamPosition: positionOf(version),
      globalPosition: BigInt(position),
    },
  }
  return upcastRecordedMessage<E, Payload, ReadEventMetadataWithGlobalPosition>(
    recorded as unknown as Payload,
    options?.schema?.versioning,
  ) as Recorded<E>
}

/** `from` and `to` are positions in the stream, both included. @throws AegisError `EVENT_INVALID` */
function rangeOf({ from, to, maxCount }: ReadOptions<Event, Event> = {}): ReadEventsOptions & { empty: boolean } {
  const last = to === undefined ? undefined : versionOf('to', to)
  return {
    empty: last === -1 || maxCount === 0n,
    ...(from !== undefined && { from: Math.max(0, versionOf('from', from)) }),
    ...(last !== undefined && { to: Math.max(0, last) }),
    ...(maxCount !== undefined && { limit: numberOf('maxCount', maxCount) }),
  }
}

/**
 * Emmett's `EventStore` over an Aegis one. Positions in streams count from 1, as Emmett's stores for databases have them;
 * `globalPosition` is the event's `position`. Data that JSON cannot carry, such as bigint, needs Emmett's `downcast` and `upcast`.
 * An expectation that does not hold throws Emmett's `ExpectedVersionConflictError`.
 */
export function emmettEventStore(store: EventStore): EmmettEventStore {
  const lastEvent = async (streamName: string): Promise<StoredEvent | undefined> => {
    const [last] = await store.load(streamName, { direction: 'backwards', limit: 1 })
    return last
  }

  return {
    async aggregateStream<State, E extends Event, Payload extends Event = E>(
      streamName: string,
      options: AggregateStreamOptions<State, E, ReadEventMetadataWithGlobalPosition, Payload>,
    ) {
      const { evolve, initialState, read } = options
      const { empty, ...range } = rangeOf(read as ReadOptions<Event, Event> | undefined)
      const newest = await lastEvent(streamName)
      const current = newest === undefined ? 0n : positionOf(newest.version)
      assertExpectedVersionMatchesCurrent(current, read?.expectedStreamVersion, 0n)
      let state = initialState()
      if (newest === undefined) return { currentStreamVersion: 0n, state, streamExists: false }
      const apply = evolve as (state: State, event: Recorded<E>) => State
      let last: StoredEvent | undefined
      if (!empty) {
        const to = Math.min(range.to ?? newest.version, newest.version)
        for await (const event of store.read(streamName, { ...range, to })) {
          state = apply(state, recordedOf<E, Payload>(event, read))
          last = event
        }
      }
      return {
        // That of the state: the command handler appends behind it.
        currentStreamVersion: last === undefined ? current : positionOf(last.version),
        state,
        streamExists: true,
        lastEventGlobalPosition: BigInt((last ?? newest).position),
      }
    },

    async readStream<E extends Event, Payload extends Event = E>(
      streamName: string,
      options?: ReadOptions<E, Payload>,
    ): Promise<ReadStreamResult<E, ReadEventMetadataWithGlobalPosition>> {
      const { empty, ...range } = rangeOf(options as ReadOptions<Event, Event> | undefined)
      const newest = await lastEvent(streamName)
      const currentStreamVersion = newest === undefined ? 0n : positionOf(newest.version)
      assertExpectedVersionMatchesCurrent(currentStreamVersion, options?.expectedStreamVersion, 0n)
      if (newest === undefined) return { currentStreamVersion, events: [], streamExists: false }
      const to = Math.min(range.to ?? newest.version, newest.version)
      const events = empty ? [] : await store.load(streamName, { ...range, to })
      return {
        currentStreamVersion,
        events: events.map(event => recordedOf<E, Payload>(event, options)),
        streamExists: true,
      }
    },

    async appendToStream<E extends Event, Payload extends Event = E>(
      streamName: string,
      events: E[],
      options?: AppendToStreamOptions<BigIntStreamPosition, E, Payload>,
    ) {
      const stored = events.map(event => {
        const { type, data, ...rest } = downcastRecordedMessage<E, Payload>(event, options?.schema?.versioning)
        const { metadata } = rest as { metadata?: Record<string, unknown> }
        return { type, data, metadata }
      })
      const expectedVersion = expectationOf(options?.expectedStreamVersion)
      const result = await withEmmettConflicts(options?.expectedStreamVersion, () =>
        store.append(streamName, stored, { expectedVersion }),
      )
      return {
        nextExpectedStreamVersion: positionOf(result.version),
        createdNewStream: events.length > 0 && result.version === events.length - 1,
        lastEventGlobalPosition: BigInt(result.position),
      }
    },

    async streamExists(streamName) {
      return (await lastEvent(streamName)) !== undefined
    },

    close: () => store.close(),
  }
}
