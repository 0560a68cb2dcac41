import { randomUUID } from 'node:crypto'
import { decodePayload, type LogRecord } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { EventInput, Metadata, StoredEvent } from './event.ts'
import { invalid } from './invalid.ts'
import type { EventBody, Schemas } from './schema-change.ts'
import { streamIdOf } from './stream-id.ts'

/** The topic of all events; the key of a record is its stream. */
export const eventsTopic = '$events'

/** Largest event in bytes where the log can carry it: 1 MB of data, counted either way, with id, type and metadata around it. */
export const maxEventSize = 1_100_000

export interface EncodedEvent {
  readonly id: string
  /** JSON. */
  readonly value: string
}

/** Events that a program does not know: written by a newer one, or by one that it has nothing to do with. */
export interface KnownTypes {
  /** The types that the program knows, as they are after upcasting. Default: all. */
  types?: readonly string[]
  /**
   * What becomes of events of other types when they are read: `'keep'` (default) gives them like all others, `'skip'` leaves
   * them out, `'throw'` is `EVENT_TYPE_UNKNOWN`.
   */
  unknownTypes?: 'keep' | 'skip' | 'throw'
}

/** As it is stored; an older program, or a record that was not written here, may have left out something. */
interface StoredBody extends Omit<EventBody, 'metadata'> {
  readonly id: string
  readonly metadata?: Metadata
  readonly schema?: number
}

const noMetadata: Metadata = Object.freeze({})

interface Encodable {
  readonly type: string
  readonly data: unknown
  readonly metadata: Metadata | undefined
  readonly schema: number
}

/** Events as the values of records; stream, version, position and time are the record's own. */
export class EventCodec {
  readonly #schemas: Schemas
  readonly #known: ReadonlySet<string> | undefined
  readonly #refuse: boolean

  /** @throws AegisError `EVENT_INVALID` */
  constructor(schemas: Schemas, { types, unknownTypes = 'keep' }: KnownTypes) {
    if (!['keep', 'skip', 'throw'].includes(unknownTypes))
      throw invalid(`unknownTypes ${JSON.stringify(unknownTypes)}: give 'keep', 'skip' or 'throw'`)
    if (types !== undefined && !(Array.isArray(types) && types.every(type => typeof type === 'string')))
      throw invalid(`types ${JSON.stringify(types)}: give a list of event types`)
    if (types === undefined && unknownTypes !== 'keep')
      throw invalid(`unknownTypes ${unknownTypes}: give types, the list of those that are known`)
    this.#schemas = schemas
    this.#known = unknownTypes === 'keep' ? undefined : new Set(types)
    this.#refuse = unknownTypes === 'throw'
  }

  /** Whether events may be read with another type than they are stored with. */
  get renames(): boolean {
    return this.#schemas.upcasts
  }

  /** @param common Metadata of all events of an append. @throws AegisError `EVENT_INVALID` */
  encode(event: EventInput, common: Metadata | undefined): EncodedEvent {
    checkEvent(event)
    const { id = randomUUID() } = event
    const { type, data, metadata, schema } = this.#schemas.downcasts ? this.#downcast(event) : this.#plain(event)
    let cause: unknown
    try {
      const text = JSON.stringify(data) as string | undefined
      if (text !== undefined) {
        const all = common === undefined ? metadata : { ...metadata, ...common }
        const head = `{"id":${JSON.stringify(id)},"type":${JSON.stringify(type)}${schema === 0 ? '' : `,"schema":${schema}`}`
        return { id, value: `${head},"data":${text}${all === undefined ? '' : `,"metadata":${JSON.stringify(all)}`}}` }
      }
    } catch (error) {
      cause = error
    }
    const reason = cause === undefined ? `its data is ${typeof data}` : String(cause)
    throw invalid(`event ${type} cannot be stored as JSON: ${reason}`, cause)
  }

  /** The event in a record of the events' topic, in its newest schema. */
  readonly decode = (record: LogRecord): StoredEvent => this.decodeOf(streamIdOf(record.key!), record)

  /** As `decode`, where the stream is known. */
  decodeOf(streamId: string, record: LogRecord): StoredEvent {
    return this.#event(decodePayload('json', record) as StoredBody, streamId, record)
  }

  /** The event that `encode` has made a text of. */
  decodeText(text: string, streamId: string, place: Pick<LogRecord, 'version' | 'offset' | 'timestamp'>): StoredEvent {
    return this.#event(JSON.parse(text), streamId, place)
  }

  /** Whether to give an event to the program. @throws AegisError `EVENT_TYPE_UNKNOWN` */
  takes({ type, streamId, version }: StoredEvent): boolean {
    if (this.#known === undefined || this.#known.has(type)) return true
    if (!this.#refuse) return false
    throw new AegisError(
      'EVENT_TYPE_UNKNOWN',
      `event ${version} of stream ${streamId} is of type ${type}, which is not one of types: add it, or let unknownTypes be 'skip'`,
      { details: { streamId, version, type } },
    )
  }

  #plain({ type, data, metadata }: EventInput): Encodable {
    return { type, data, metadata, schema: this.#schemas.newest(type) }
  }

  #downcast({ type, data, metadata = {} }: EventInput): Encodable {
    const { event, version } = this.#schemas.downcast({ type, data, metadata })
    return { ...event, schema: version }
  }

  // One literal, so that all events have one shape.
  #event(
    body: StoredBody,
    streamId: string,
    { version, offset, timestamp }: Pick<LogRecord, 'version' | 'offset' | 'timestamp'>,
  ): StoredEvent {
    const { id } = body
    const {
      type,
      data,
      metadata = noMetadata,
    } = this.#schemas.upcasts
      ? this.#schemas.upcast({ ...body, metadata: body.metadata ?? noMetadata }, body.schema ?? 0)
      : body
    return { id, type, streamId, version: version!, position: offset, timestamp, data, metadata }
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
