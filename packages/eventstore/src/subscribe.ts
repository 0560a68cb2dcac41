import type { LogRecord } from '@aegis/log'
import { type Decode, type SeekTo, Subscription, type SubscriptionOptions } from '@aegis/subscription'
import { type DeliveredEvent, DeliveredStoredEvent } from './delivered-event.ts'
import type { EventInput } from './event.ts'
import { eventsTopic } from './event-codec.ts'
import { eventFilter } from './event-filter.ts'
import type { EventLog } from './event-log.ts'
import { invalid } from './invalid.ts'
import { streamKey, streamPattern } from './streams/stream-id.ts'

export interface SubscribeEventsOptions<E extends EventInput = EventInput> extends Omit<SubscriptionOptions, 'from'> {
  /** Types of events wanted. Default: all. */
  types?: readonly E['type'][]
  /**
   * Where to start when the group has no position. Default `'earliest'`; `position` is the first one wanted, `time` that
   * of committing, milliseconds since the epoch.
   */
  from?: 'earliest' | 'latest' | { readonly position: number } | { readonly time: number }
}

/** Stored events, then live ones, in the order of their commits. With a `groupId` it is a persistent subscription. */
export type EventSubscription<E extends EventInput = EventInput> = Subscription<DeliveredEvent<E>>

/**
 * Follows the events of the streams of a pattern. What the filter leaves out is acknowledged.
 * @param wanted What else decides which records are meant.
 */
export function subscribeToEvents<E extends EventInput>(
  events: EventLog,
  streams: string,
  { types, from = 'earliest', ...options }: SubscribeEventsOptions<E>,
  wanted?: (record: LogRecord) => boolean,
): Promise<EventSubscription<E>> {
  const start = startOf(from)
  const { log, codec, protection, trace } = events
  const filter = eventFilter({ streams, ...(types && { types }) }, codec.renames)
  const decode: Decode<DeliveredEvent<E>> = (record, delivered) => {
    const event = events.decode(record)
    if (!filter.event(event) || !codec.takes(event)) return undefined
    const given: DeliveredEvent = new DeliveredStoredEvent(event, delivered)
    return given as DeliveredEvent<E>
  }
  const pattern = streamPattern(streams)
  if ('stream' in pattern) decode.key = streamKey(pattern.stream)
  if (streams !== '*' || types !== undefined || wanted !== undefined)
    decode.wants = record => filter.record(record) && wanted?.(record) !== false
  if (protection !== undefined) decode.prepare = records => events.fetchKeys(records)
  return Subscription.open<DeliveredEvent<E>>(
    log,
    eventsTopic,
    decode,
    { ...options, from: start },
    trace?.processing(options.groupId),
  )
}

/** @throws AegisError `EVENT_INVALID` */
function startOf(from: NonNullable<SubscribeEventsOptions['from']>): SeekTo {
  if (from === 'earliest' || from === 'latest') return from
  if (typeof from === 'object' && from !== null) {
    if ('position' in from && isPlace(from.position)) return { offset: from.position }
    if ('time' in from && isPlace(from.time)) return from
  }
  throw invalid(
    `from is ${JSON.stringify(from)}: give 'earliest', 'latest', { position } or { time }, a whole number from 0`,
  )
}

const isPlace = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
