import type { LogReader } from '@aegis/log'
import type { StoredEvent } from '../event.ts'
import { eventsTopic } from '../event-codec.ts'
import type { EventLog, HistoryPage, VersionSpan } from '../event-log.ts'
import { invalid, wholeNumber } from '../invalid.ts'
import { streamKey } from '../streams/stream-id.ts'
import { firstVersionOf, noState, type StreamState } from '../streams/stream-state.ts'
import { type EventIterator, PagedEvents } from './event-iterator.ts'

export interface ReadEventsOptions {
  /** Default `'forwards'`. */
  direction?: 'forwards' | 'backwards'
  /** The version to begin with. Default: the first, backwards the last. */
  from?: number
  /** The version to end with, itself included. Default: the last, backwards the first. */
  to?: number
  /** Largest number of events. Default: all. */
  limit?: number
  /** The stream as it was then, milliseconds since the epoch: events appended later are left out. */
  until?: number | Date
}

interface Span extends VersionSpan {
  readonly until: number
}

function check({ direction = 'forwards', from, to, limit, until }: ReadEventsOptions): void {
  wholeNumber('from', from)
  wholeNumber('to', to)
  wholeNumber('limit', limit)
  if (!['forwards', 'backwards'].includes(direction))
    throw invalid(`direction ${JSON.stringify(direction)}: give 'forwards' or 'backwards'`)
  if (Number.isNaN(Number(until ?? 0))) throw invalid(`until ${String(until)}: give milliseconds or a Date`)
}

async function spanOf(
  events: EventLog,
  reader: LogReader,
  key: Uint8Array,
  { direction, from, to, limit = Infinity, until = Infinity }: ReadEventsOptions,
): Promise<Span> {
  const [low = 0, high = Infinity] = direction === 'backwards' ? [to, from] : [from, to]
  const state = (await events.streamState(reader, key)) ?? noState
  const last = state.maxCount === undefined ? high : ((await events.lastVersion(reader, key)) ?? -1)
  const kept = await firstKept(events, reader, key, last, state)
  return { first: Math.max(low, kept), last: Math.min(high, last), limit, until: Number(until) }
}

/** The first version that is still to be read, by what is known of the stream. Events are in the order of their times. */
export async function firstKept(
  events: EventLog,
  reader: LogReader,
  key: Uint8Array,
  last: number,
  state: StreamState,
): Promise<number> {
  let low = firstVersionOf(last, state)
  if (state.maxAge === undefined) return low
  const oldest = events.log.now() - state.maxAge
  let high = ((await events.lastVersion(reader, key)) ?? -1) + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [record] = await reader.history(eventsTopic, key, { from: middle, limit: 1 })
    // None, or a later one, where versions were taken away.
    if (record === undefined) high = middle
    else if (record.timestamp < oldest) low = record.version + 1
    else high = middle
  }
  return low
}

/** The events of a stream at once. */
export async function load(
  events: EventLog,
  reader: LogReader,
  streamId: string,
  options: ReadEventsOptions = {},
): Promise<StoredEvent[]> {
  check(options)
  const key = streamKey(streamId)
  if (options.until === undefined) {
    const span = await spanOf(events, reader, key, options)
    return (await events.history(reader, streamId, key, span, options.direction === 'backwards')).events
  }
  const loaded: StoredEvent[][] = []
  for await (const page of readPages(events, reader, streamId, options)) loaded.push(page.events)
  return loaded.flat()
}

// Streams of any length and event size in bounded memory.
const page = { fewest: 64, most: 2048, maxBytes: 1_000_000 }

/** The events of a stream one after the other. */
export function read(
  events: EventLog,
  reader: LogReader,
  streamId: string,
  options: ReadEventsOptions = {},
): EventIterator {
  check(options)
  streamKey(streamId)
  return new PagedEvents(eventPages(events, reader, streamId, options), event => event)
}

async function* eventPages(
  ...reading: Parameters<typeof readPages>
): AsyncGenerator<readonly StoredEvent[], void, undefined> {
  for await (const page of readPages(...reading)) yield page.events
}

/** The events of a stream in pages. */
export async function* readPages(
  events: EventLog,
  reader: LogReader,
  streamId: string,
  options: ReadEventsOptions = {},
): AsyncGenerator<HistoryPage, void, undefined> {
  await events.prepare()
  check(options)
  const key = streamKey(streamId)
  const backwards = options.direction === 'backwards'
  let { first, last, limit, until } = await spanOf(events, reader, key, options)
  while (limit > 0 && first <= last) {
    // Some may be left out: as many as are wanted need not be enough.
    const span = { first, last, limit: Math.min(page.most, Math.max(page.fewest, limit)), maxBytes: page.maxBytes }
    const found = await events.history(reader, streamId, key, span, backwards)
    if (found.next === found.first) return
    if (backwards) last = found.first - 1
    else first = found.next
    const kept = found.events.filter(event => event.timestamp <= until)
    const given = kept.slice(0, limit)
    limit -= given.length
    yield { ...found, events: given }
    // Events are in the order of their times: forwards none comes that is old enough.
    if (!backwards && kept.length < found.events.length) return
  }
}
