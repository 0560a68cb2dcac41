import { randomUUID } from 'node:crypto'
import { decodePayload, keyText, type LogRecord } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { EventInput, Metadata, StoredEvent } from './event.ts'
import { type EventProtection, forgottenType, type SealedPart, type SubjectKeys, unseal } from './event-protection.ts'
import { invalid } from './invalid.ts'
import type { EventBody, Schemas } from './schema-change.ts'

/** The topic of all events; the key of a record is its stream. */
export const eventsTopic = '$events'

/** Largest event in bytes where the log can carry it: 1 MB of data, counted either way, with id, type and metadata around it. */
export const maxEventSize = 1_100_000

export interface EncodedEvent {
  readonly id: string
  /** JSON. */
  readonly value: string
  /** Who must not be forgotten for all of it to be readable. */
  readonly subjects: readonly string[]
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
  readonly private?: readonly SealedPart[]
}

const noMetadata: Metadata = Object.freeze({})
const nobody: readonly string[] = []

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
  readonly #protection: EventProtection | undefined

  /** @throws AegisError `EVENT_INVALID` */
  constructor(schemas: Schemas, { types, unknownTypes = 'keep' }: KnownTypes, protection: EventProtection | undefined) {
    if (!['keep', 'skip', 'throw'].includes(unknownTypes))
      throw invalid(`unknownTypes ${JSON.stringify(unknownTypes)}: give 'keep', 'skip' or 'throw'`)
    if (types !== undefined && !(Array.isArray(types) && types.every(type => typeof type === 'string')))
      throw invalid(`types ${JSON.stringify(types)}: give a list of event types`)
    if (types === undefined && unknownTypes !== 'keep')
      throw invalid(`unknownTypes ${unknownTypes}: give types, the list of those that are known`)
    this.#schemas = schemas
    this.#protection = protection
    this.#known = unknownTypes === 'keep' ? undefined : new Set([...(types ?? []), forgottenType])
    this.#refuse = unknownTypes === 'throw'
  }

  /** Whether events may be read with another type than they are stored with. */
  get renames(): boolean {
    return this.#schemas.upcasts
  }

  /** The subjects whose keys `encode` needs. @throws AegisError `EVENT_INVALID` */
  subjectsOf(streamId: string, event: EventInput): readonly string[] {
    if (this.#protection === undefined) return nobody
    checkEvent(event)
    const { type, data } = this.#encodable(event)
    return this.#protection.subjectsOf(streamId, type, data)
  }

  /**
   * @param common Metadata of all events of an append.
   * @param keys Those of the event's subjects.
   * @param context Metadata that yields to all other.
   * @throws AegisError `EVENT_INVALID`
   */
  encode(
    streamId: string,
    event: EventInput,
    common: Metadata | undefined,
    keys: SubjectKeys | undefined,
    context?: Metadata,
  ): EncodedEvent {
    checkEvent(event)
    const { id = randomUUID() } = event
    const { type, data, metadata, schema } = this.#encodable(event)
    let cause: unknown
    try {
      const all = common === undefined && context === undefined ? metadata : { ...context, ...metadata, ...common }
      const sealed = keys && this.#protection?.seal({ streamId, id, type }, data, keys)
      const text = JSON.stringify(sealed === undefined ? data : sealed.data) as string | undefined
      if (text !== undefined) {
        const head = `{"id":${JSON.stringify(id)},"type":${JSON.stringify(type)}${schema === 0 ? '' : `,"schema":${schema}`}`
        const body = `${head},"data":${text}${all === undefined ? '' : `,"metadata":${JSON.stringify(all)}`}`
        if (sealed === undefined || sealed.parts.length === 0) return { id, value: `${body}}`, subjects: nobody }
        const subjects = sealed.parts.map(({ subject }) => subject)
        return { id, value: `${body},"private":${JSON.stringify(sealed.parts)}}`, subjects }
      }
    } catch (error) {
      cause = error
    }
    const reason = cause === undefined ? `its data is ${typeof data}` : String(cause)
    throw invalid(`event ${type} cannot be stored as JSON: ${reason}`, cause)
  }

  /**
   * The event in a record of the events' topic, in its newest schema.
   * @param keys Those of its subjects, if it has private parts.
   */
  decode(record: LogRecord, keys?: SubjectKeys): StoredEvent {
    return this.decodeOf(keyText(record)!, record, keys)
  }

  /** As `decode`, where the stream is known. */
  decodeOf(streamId: string, record: LogRecord, keys?: SubjectKeys): StoredEvent {
    return this.#event(bodyOf(decodePayload('json', record), streamId, record), streamId, record, keys)
  }

  /** The event that `encode` has made a text of. */
  decodeText(
    text: string,
    streamId: string,
    place: Pick<LogRecord, 'version' | 'offset' | 'timestamp'>,
    keys: SubjectKeys | undefined,
  ): StoredEvent {
    return this.#event(JSON.parse(text), streamId, place, keys)
  }

  /** Those of the events that are to be given to the program. @throws AegisError `EVENT_TYPE_UNKNOWN` */
  taken(events: StoredEvent[]): StoredEvent[] {
    return this.#known === undefined ? events : events.filter(event => this.takes(event))
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

  #encodable(event: EventInput): Encodable {
    return this.#schemas.downcasts ? this.#downcast(event) : this.#plain(event)
  }

  #plain({ type, data, metadata }: EventInput): Encodable {
    return { type, data, metadata, schema: this.#schemas.newest(type) }
  }

  #downcast({ type, data, metadata = {} }: EventInput): Encodable {
    const { event, version } = this.#schemas.downcast({ type, data, metadata })
    return { ...event, schema: version }
  }

  #unseal(
    { id, type, data }: StoredBody,
    parts: readonly SealedPart[],
    streamId: string,
    keys: SubjectKeys | undefined,
  ): void {
    const protection = this.#protection
    unseal(data, parts, part => {
      if (protection === undefined) return { $absent: 'sealed' }
      if (keys === undefined) throw new Error(`the keys of event ${id} of stream ${streamId} were not fetched`)
      return protection.open({ streamId, id, type }, part, keys) ?? { $absent: 'forgotten' }
    })
  }

  // One literal, so that all events have one shape.
  #event(
    body: StoredBody,
    streamId: string,
    { version, offset, timestamp }: Pick<LogRecord, 'version' | 'offset' | 'timestamp'>,
    keys: SubjectKeys | undefined,
  ): StoredEvent {
    const { id } = body
    if (body.private !== undefined) this.#unseal(body, body.private, streamId, keys)
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

/** @throws AegisError `EVENT_INVALID` for what something else than an event store has written */
function bodyOf(value: unknown, streamId: string, { version, offset }: LogRecord): StoredBody {
  if (isBody(value)) return value
  throw invalid(
    `version ${version} of stream ${streamId}, position ${offset}, is not an event: it was written into ${eventsTopic} by something else`,
  )
}

const isBody = (value: unknown): value is StoredBody =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'id' in value

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
