import { randomUUID } from 'node:crypto'
import type { LogRecord } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { EventInput, Metadata, StoredEvent } from './event.ts'
import { streamIdOf } from './stream-id.ts'

/** The topic of all events; the key of a record is its stream. */
export const eventsTopic = '$events'

/** Largest event in bytes where the log can carry it: 1 MB of data, counted either way, with id, type and metadata around it. */
export const maxEventSize = 1_100_000

export interface EncodedEvent {
  readonly id: string
  readonly value: Uint8Array
}

export const invalid = (message: string, cause?: unknown): AegisError =>
  new AegisError('EVENT_INVALID', message, { cause })

/** The value of an event's record; stream, version, position and time are the record's own. @throws AegisError `EVENT_INVALID` */
export function encodeEvent(event: EventInput, common: Metadata): EncodedEvent {
  if (globalThis.Event !== undefined && event instanceof globalThis.Event) {
    throw invalid("this is the DOM Event: add import { Event } from '@aegis/eventstore'")
  }
  if (typeof event?.type !== 'string' || event.type === '') throw invalid('an event needs a type that is not empty')
  const { type, data, metadata } = event
  if (metadata !== undefined && (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)))
    throw invalid(`metadata of event ${type}: give an object`)
  const id = randomUUID()
  let cause: unknown
  try {
    const text = JSON.stringify(data) as string | undefined
    if (text !== undefined) {
      const about = JSON.stringify({ ...metadata, ...common })
      return {
        id,
        value: Buffer.from(`{"id":"${id}","type":${JSON.stringify(type)},"data":${text},"metadata":${about}}`),
      }
    }
  } catch (error) {
    cause = error
  }
  const reason = cause === undefined ? `its data is ${typeof data}` : String(cause)
  throw invalid(`event ${type} cannot be stored as JSON: ${reason}`, cause)
}

/** The event in a record of the events' topic. */
export function decodeEvent({ key, value, version, offset, timestamp }: LogRecord): StoredEvent {
  const { id, type, data, metadata } = JSON.parse(
    Buffer.from(value!.buffer, value!.byteOffset, value!.length).toString('utf8'),
  )
  return { id, type, streamId: streamIdOf(key!), version: version!, position: offset, timestamp, data, metadata }
}
