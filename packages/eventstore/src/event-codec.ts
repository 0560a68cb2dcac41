import { randomUUID } from 'node:crypto'
import type { LogRecord } from '@aegis/log'
import type { EventInput, Metadata, StoredEvent } from './event.ts'
import { invalid } from './invalid.ts'
import { streamIdOf } from './stream-id.ts'
import type { UpcasterChain } from './upcaster.ts'

/** The topic of all events; the key of a record is its stream. */
export const eventsTopic = '$events'

/** Largest event in bytes where the log can carry it: 1 MB of data, counted either way, with id, type and metadata around it. */
export const maxEventSize = 1_100_000

export interface EncodedEvent {
  readonly id: string
  readonly value: Uint8Array
}

/** Events as the values of records; stream, version, position and time are the record's own. */
export class EventCodec {
  readonly #upcasters: UpcasterChain

  constructor(upcasters: UpcasterChain) {
    this.#upcasters = upcasters
  }

  /** @param common Metadata of all events of an append. @throws AegisError `EVENT_INVALID` */
  encode(event: EventInput, common: Metadata): EncodedEvent {
    checkEvent(event)
    const { type, data, metadata, id = randomUUID() } = event
    const schema = this.#upcasters.newest(type)
    let cause: unknown
    try {
      const text = JSON.stringify(data) as string | undefined
      if (text !== undefined) {
        const head = `{"id":${JSON.stringify(id)},"type":${JSON.stringify(type)}${schema === 0 ? '' : `,"schema":${schema}`}`
        return {
          id,
          value: Buffer.from(`${head},"data":${text},"metadata":${JSON.stringify({ ...metadata, ...common })}}`),
        }
      }
    } catch (error) {
      cause = error
    }
    const reason = cause === undefined ? `its data is ${typeof data}` : String(cause)
    throw invalid(`event ${type} cannot be stored as JSON: ${reason}`, cause)
  }

  /** The event in a record of the events' topic, in its newest schema. */
  readonly decode = ({ key, value, version, offset, timestamp }: LogRecord): StoredEvent => {
    const {
      id,
      schema = 0,
      ...body
    } = JSON.parse(Buffer.from(value!.buffer, value!.byteOffset, value!.length).toString('utf8'))
    const { type, data, metadata } = this.#upcasters.upcast(body, schema)
    return { id, type, streamId: streamIdOf(key!), version: version!, position: offset, timestamp, data, metadata }
  }
}

function checkEvent(event: EventInput): void {
  if (globalThis.Event !== undefined && event instanceof globalThis.Event) {
    throw invalid("this is the DOM Event: add import { Event } from '@aegis/eventstore'")
  }
  if (typeof event?.type !== 'string' || event.type === '') throw invalid('an event needs a type that is not empty')
  const { type, metadata, id } = event
  checkMetadata(metadata, `event ${type}`)
  if (id !== undefined && (typeof id !== 'string' || id === '' || !id.isWellFormed() || id.length > 200))
    throw invalid(`id ${JSON.stringify(id)} of event ${type}: give well-formed text of 1 to 200 characters`)
}

/** @throws AegisError `EVENT_INVALID` */
export function checkMetadata(metadata: Metadata | undefined, of: string): void {
  if (metadata !== undefined && (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)))
    throw invalid(`metadata of ${of}: give an object`)
}
