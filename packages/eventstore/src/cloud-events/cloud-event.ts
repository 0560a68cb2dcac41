import type { Untyped } from '@aegis/log'
import type { EventInput, Metadata, StoredEvent } from '../event.ts'

/**
 * An event in the JSON format of CloudEvents 1.0. `source` and `id` together are unique, as it demands: the source ends with the
 * stream. What is ours beside the standard attributes is in extensions.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
 */
export interface CloudEvent {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  /** The stream. */
  readonly subject?: string
  /** RFC 3339. */
  readonly time?: string
  readonly datacontenttype?: string
  readonly data?: Untyped
  /** Extension: the version in the stream. */
  readonly sequence?: string
  /** Extension: the position in the store; an export goes on behind it. */
  readonly position?: string
  /** Extensions of the standard: distributed tracing. */
  readonly traceparent?: string
  readonly tracestate?: string
  /** Extensions: those of the metadata, for programs that look for them here. */
  readonly correlationid?: string
  readonly causationid?: string
  /** Extension: all metadata, as JSON text, for extensions cannot have a structure. */
  readonly metadata?: string
}

const named = {
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  correlationid: 'correlationId',
  causationid: 'causationId',
}

/** The metadata in which an import keeps the time that the event came with. */
const timeKept = 'occurredAt'

export function cloudEventOf(event: StoredEvent, source: string): CloudEvent {
  const { id, streamId, type, data, metadata, version, position, timestamp } = event
  const attributes = Object.entries(named).flatMap(([attribute, name]) => {
    const value = metadata[name]
    return typeof value === 'string' && value !== '' ? [[attribute, value] as const] : []
  })
  const kept = metadata[timeKept]
  return {
    specversion: '1.0',
    id,
    source: `${source}/${encodeURIComponent(streamId)}`,
    type,
    subject: streamId,
    time: typeof kept === 'string' ? kept : new Date(timestamp).toISOString(),
    datacontenttype: 'application/json',
    sequence: String(version),
    position: String(position),
    ...Object.fromEntries(attributes),
    ...(Object.keys(metadata).length > 0 && { metadata: JSON.stringify(metadata) }),
    data,
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const show = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 100)

/** Throws a sentence that says what is wrong with it. */
export function parseCloudEvent(text: string): CloudEvent {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isRecord(value)) throw new Error(`it is ${show(value)}, not a JSON object`)
  const event = value
  const own = (name: string): unknown => (Object.hasOwn(event, name) ? event[name] : undefined)
  if (own('specversion') !== '1.0') throw new Error(`specversion is ${show(own('specversion'))}: only "1.0" is known`)
  for (const name of ['id', 'source', 'type']) {
    const attribute = own(name)
    if (typeof attribute !== 'string' || attribute === '')
      throw new Error(`${name} is ${show(attribute)}: it must be a text`)
  }
  const optional = ['subject', 'time', 'metadata', ...Object.keys(named)]
  for (const name of optional) {
    const attribute = own(name) ?? undefined
    if (attribute !== undefined && typeof attribute !== 'string')
      throw new Error(`${name} is ${show(attribute)}: it must be a text`)
  }
  const time = own('time') ?? undefined
  if (time !== undefined && Number.isNaN(Date.parse(String(time))))
    throw new Error(`time is ${show(time)}: it must be a time of RFC 3339`)
  if (own('data_base64') !== undefined) throw new Error('it has data_base64: events hold JSON, not bytes')
  return event as unknown as CloudEvent
}

/** What is appended for it. Throws a sentence that says what is wrong with it. */
export function eventOf(cloudEvent: CloudEvent): EventInput & { readonly id: string } {
  const { id, type, data, time } = cloudEvent
  return {
    id,
    type,
    data: data ?? null,
    metadata: { ...metadataOf(cloudEvent), ...(time != null && { [timeKept]: time }) },
  }
}

function metadataOf(cloudEvent: CloudEvent): Metadata {
  const { metadata: text } = cloudEvent
  if (text == null) {
    const attributes = Object.entries(named).flatMap(([attribute, name]) => {
      const value = cloudEvent[attribute as keyof typeof named]
      return value == null ? [] : [[name, value] as const]
    })
    return Object.fromEntries(attributes)
  }
  let metadata: unknown
  try {
    metadata = JSON.parse(text)
  } catch {
    throw new Error(`metadata is ${show(text)}: it must be JSON`)
  }
  if (!isRecord(metadata)) throw new Error(`metadata is ${show(text)}: it must be a JSON object`)
  return metadata
}
