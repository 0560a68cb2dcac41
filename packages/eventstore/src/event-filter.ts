import type { LogRecord } from '@aegis/log'
import type { EventInput, StoredEvent } from './event.ts'
import { forgottenType } from './event-protection.ts'
import { invalid } from './invalid.ts'
import { matches, streamPattern } from './streams/stream-id.ts'

/** Which events are meant. */
export interface EventFilter<E extends EventInput = EventInput> {
  /** A stream, all with a prefix (`'account-*'`), or all (`'*'`, default). */
  readonly streams?: string
  /** Default: all. */
  readonly types?: readonly E['type'][]
}

/** A filter, checked and ready. */
export interface ReadyFilter {
  stream(streamId: string): boolean
  event(event: StoredEvent): boolean
  /** Whether a record may be of an event that is wanted. Costs a tenth of decoding it, by which whole feeds are passed over. */
  record(record: LogRecord): boolean
}

/**
 * @param renames Whether an event may be stored with another type than it is read with: then types are looked at after decoding.
 * @throws AegisError `EVENT_INVALID`
 */
export function eventFilter({ streams = '*', types }: EventFilter, renames = true): ReadyFilter {
  const pattern = streamPattern(streams)
  const list: unknown = types ?? []
  if (!Array.isArray(list) || !list.every(type => typeof type === 'string'))
    throw invalid(`types ${JSON.stringify(types)}: give a list of event types`)
  const wanted = types === undefined ? undefined : new Set(types)
  const stream = (streamId: string): boolean => matches(pattern, streamId)
  const ofStream = keyTest(pattern)
  const ofType = wanted === undefined || renames ? undefined : typeTest([...wanted])
  return {
    stream,
    event: ({ streamId, type }) =>
      (wanted === undefined || wanted.has(type)) &&
      ((ofStream === undefined && type !== forgottenType) || stream(streamId)),
    // Key and value are views that are made when they are asked for.
    record: record =>
      (ofStream === undefined || ofStream(record.key!)) && (ofType === undefined || ofType(record.value!)),
  }
}

function keyTest(pattern: ReturnType<typeof streamPattern>): ((key: Uint8Array) => boolean) | undefined {
  const bytes = Buffer.from('prefix' in pattern ? pattern.prefix : pattern.stream)
  if (bytes.length === 0) return undefined
  const whole = 'stream' in pattern
  return key => (whole ? key.length === bytes.length : key.length >= bytes.length) && startsWith(key, bytes, 0)
}

/** The type stands behind the id, both as JSON: `{"id":"…","type":"…",`. */
function typeTest(types: readonly string[]): (value: Uint8Array) => boolean {
  const wanted = types.map(type => Buffer.from(`"type":${JSON.stringify(type)},`))
  return value => {
    // No quote inside of the id is without a backslash before it.
    let at = 7
    while (at < value.length && value[at] !== 0x22) at += value[at] === 0x5c ? 2 : 1
    return wanted.some(bytes => startsWith(value, bytes, at + 2))
  }
}

function startsWith(bytes: Uint8Array, start: Uint8Array, at: number): boolean {
  for (let i = 0; i < start.length; i++) if (bytes[at + i] !== start[i]) return false
  return true
}
