import { AegisError } from '@aegis/storage'
import type { LogRecord } from './log.ts'
import { hasText, textOf } from './stored-record.ts'

/** The payload of what is named by a string only: nothing is known of its type. */
// biome-ignore lint/suspicious/noExplicitAny: the one place where users ask for no checking
export type Untyped = any

/** How the payloads of a topic are encoded; stored with the topic, so that whoever reads it knows. */
export type Codec = 'json' | 'text' | 'bytes'

/**
 * Something that names a topic and knows what its records mean: topic definitions, tables, event categories.
 * Taken wherever records are consumed.
 */
export interface Readable<T> {
  readonly topic: string
  decode(record: LogRecord): T
}

/**
 * Texts stay texts: the log writes them into its batch without bytes of their own in between.
 * @throws AegisError `PAYLOAD_INVALID` when the codec cannot carry the payload, such as `undefined` or a bigint in JSON.
 */
export function encodePayload(topic: string, codec: Codec, payload: unknown): Uint8Array | string {
  if (codec === 'bytes' && payload instanceof Uint8Array) return payload
  if (codec === 'text' && typeof payload === 'string') return payload
  let cause: unknown
  if (codec === 'json') {
    try {
      const text = JSON.stringify(payload) as string | undefined
      if (text !== undefined) return text
    } catch (error) {
      cause = error
    }
  }
  throw new AegisError(
    'PAYLOAD_INVALID',
    `a payload of type ${typeof payload} does not fit topic ${topic}: its codec is ${codec}`,
    { cause },
  )
}

/**
 * `undefined` for a tombstone.
 * @throws AegisError `PAYLOAD_INVALID` when the bytes are not of the codec.
 */
export function decodePayload(codec: Codec, record: LogRecord): unknown {
  if (codec === 'json' && hasText(record)) {
    const json = record.valueText()
    return json === undefined ? undefined : parseJson(json, record)
  }
  const { value } = record
  if (value === null) return undefined
  if (codec === 'bytes') return value
  // utf8Slice and then parse: parsing the buffer itself converts it more slowly.
  const text = textOf(value)
  if (codec === 'text') return text
  return parseJson(text, record)
}

/** The key of a record as text; `null` without one. Faster than making it of the bytes. */
export function keyText(record: LogRecord): string | null {
  if (hasText(record)) return record.keyText()
  return record.key === null ? null : textOf(record.key)
}

function parseJson(text: string, { topic, partition, offset }: LogRecord): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AegisError('PAYLOAD_INVALID', `the record at offset ${offset} of ${topic}/${partition} is not JSON`, {
      cause,
      details: { topic, partition, offset },
    })
  }
}
