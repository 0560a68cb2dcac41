import type { Header, OutgoingRecord } from '@aegis/log'
import type { EventInput, Metadata } from '../event.ts'
import { checkMetadata } from '../event-codec.ts'
import type { EventLog } from '../event-log.ts'
import { type SubjectKeys, subjectHeader } from '../event-protection.ts'
import { invalid } from '../invalid.ts'
import { streamKey } from '../streams/stream-id.ts'
import { checkedExpectation, type ExpectedVersion } from './expected-version.ts'

export interface AppendEventsOptions {
  /** Default `'any'`. */
  expectedVersion?: ExpectedVersion
  /** Kept in the metadata of the events. */
  correlationId?: string
  /** Kept in the metadata of the events: the id of the event or command that caused them. */
  causationId?: string
  /**
   * Kept in the metadata of all events of the append, such as a user. With an OpenTelemetry SDK the context of the trace is added
   * (`traceparent` and `tracestate` of W3C Trace Context), unless it is given here.
   */
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
  /** With which its private parts can be read. */
  readonly keys: SubjectKeys | undefined
}

const isList = (events: EventInput | readonly EventInput[]): events is readonly EventInput[] => Array.isArray(events)

/** Not asynchronous where nothing is private. @throws AegisError `EVENT_INVALID` */
export function prepareAppend(
  events: EventLog,
  streamId: string,
  given: EventInput | readonly EventInput[],
  options: AppendEventsOptions,
): PreparedAppend | Promise<PreparedAppend> {
  const key = streamKey(streamId)
  const list = isList(given) ? given : [given]
  const context = events.trace?.current()
  const keys = events.keysFor(streamId, list)
  if (keys === undefined) return prepare(events, streamId, key, list, options, undefined, context)
  return keys.then(ready => prepare(events, streamId, key, list, options, ready, context))
}

function prepare(
  { codec }: EventLog,
  streamId: string,
  key: Uint8Array,
  list: readonly EventInput[],
  { expectedVersion, correlationId, causationId, metadata }: AppendEventsOptions,
  keys: SubjectKeys | undefined,
  context: Metadata | undefined,
): PreparedAppend {
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
  const encoded = list.map(event => codec.encode(streamId, event, common, keys, context))
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
    records: encoded.map(({ value, subjects }) =>
      subjects.length === 0 ? { key, value } : { key, value, headers: subjects.map(headerOf) },
    ),
    keys,
  }
}

const headerOf = (subject: string): Header => ({ key: subjectHeader, value: Buffer.from(subject) })
