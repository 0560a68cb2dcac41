import type { OutgoingRecord } from '@aegis/log'
import type { EventInput, Metadata } from './event.ts'
import { checkMetadata } from './event-codec.ts'
import type { EventLog } from './event-log.ts'
import { checkedExpectation, type ExpectedVersion } from './expected-version.ts'
import { invalid } from './invalid.ts'
import { streamKey } from './stream-id.ts'

export interface AppendEventsOptions {
  /** Default `'any'`. */
  expectedVersion?: ExpectedVersion
  /** Kept in the metadata of the events. */
  correlationId?: string
  /** Kept in the metadata of the events: the id of the event or command that caused them. */
  causationId?: string
  /** Kept in the metadata of all events of the append: a user, `traceparent` and `tracestate` of W3C Trace Context. */
  metadata?: Metadata
}

/** What was appended. */
export interface AppendEventsResult {
  readonly streamId: string
  /** Version of the stream's last event; -1 when it has none. */
  readonly version: number
  /** Position of the last event appended; -1 when none was. */
  readonly position: number
  /** Ids of the events, in their order. */
  readonly ids: readonly string[]
}

/** An append, checked. */
export interface PreparedAppend {
  readonly streamId: string
  readonly key: Uint8Array
  readonly expected: ExpectedVersion
  readonly ids: readonly string[]
  /** Whether the user has given the ids. */
  readonly repeatable: boolean
  readonly records: readonly (OutgoingRecord & { readonly key: Uint8Array; readonly value: string })[]
}

const isList = (events: EventInput | readonly EventInput[]): events is readonly EventInput[] => Array.isArray(events)

/** @throws AegisError `EVENT_INVALID` */
export function prepareAppend(
  { codec }: EventLog,
  streamId: string,
  events: EventInput | readonly EventInput[],
  { expectedVersion, correlationId, causationId, metadata }: AppendEventsOptions,
): PreparedAppend {
  const key = streamKey(streamId)
  const expected = checkedExpectation(expectedVersion)
  checkMetadata(metadata, `an append to ${streamId}`)
  const common =
    metadata === undefined && correlationId === undefined && causationId === undefined
      ? undefined
      : {
          ...metadata,
          ...(correlationId !== undefined && { correlationId }),
          ...(causationId !== undefined && { causationId }),
        }
  const list = isList(events) ? events : [events]
  const encoded = list.map(event => codec.encode(event, common))
  const ids = encoded.map(({ id }) => id)
  const given = list.filter(({ id }) => id !== undefined).length
  if (given > 0 && given < list.length)
    throw invalid(`${given} of ${list.length} events for stream ${streamId} have an id: give each one, or none`)
  if (given > 0 && new Set(ids).size < given)
    throw invalid(`two events for stream ${streamId} have the same id: give each its own`)
  return {
    streamId,
    key,
    expected,
    ids,
    repeatable: given > 0,
    records: encoded.map(({ value }) => ({ key, value })),
  }
}
