import type { Transaction } from '@aegis/log'
import type { EventInput, StoredEvent } from './event.ts'
import { invalid } from './invalid.ts'
import { matches, streamPattern } from './stream-id.ts'

/** Which events are meant. */
export interface EventFilter<E extends EventInput = EventInput> {
  /** A stream, all with a prefix (`'account-*'`), or all (`'*'`, default). */
  readonly streams?: string
  /** Default: all. */
  readonly types?: readonly E['type'][]
}

/**
 * What events mean for something else that is stored: rows, messages, keys. Inline, it is applied in the transaction of
 * the append: what it writes is there when the event is, and a throw refuses the append; the `position` of an event is -1
 * then, for the commit decides it.
 */
export interface Projection<E extends EventInput = EventInput> extends EventFilter<E> {
  readonly name: string
  /** Writes what the event means into the transaction; may be run again, so it should have no other effects. */
  apply(event: StoredEvent<E>, tx: Transaction): Promise<void> | void
}

/** A filter, checked and ready. @throws AegisError `EVENT_INVALID` */
export function eventFilter({ streams = '*', types }: EventFilter): {
  stream(streamId: string): boolean
  event(event: StoredEvent): boolean
} {
  const pattern = streamPattern(streams)
  const list: unknown = types ?? []
  if (!Array.isArray(list) || !list.every(type => typeof type === 'string'))
    throw invalid(`types ${JSON.stringify(types)}: give a list of event types`)
  const wanted = types === undefined ? undefined : new Set(types)
  const stream = (streamId: string): boolean => matches(pattern, streamId)
  return { stream, event: ({ streamId, type }) => stream(streamId) && (wanted === undefined || wanted.has(type)) }
}
