import type { LogReader } from '@aegis/log'
import type { StoredEvent } from './event.ts'
import { eventsTopic } from './event-codec.ts'
import type { EventLog, HistoryPage } from './event-log.ts'
import { invalid, wholeNumber } from './invalid.ts'
import { streamKey } from './stream-id.ts'
import { firstVersionOf, noState, type StreamState } from './stream-state.ts'

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

/** Options in the terms of versions: both ends included. */
interface Span {
  readonly first: number
  readonly last: number
  readonly limit: number
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
  const backwards = direction === 'backwards'
  const [low = 0, high = Infinity] = backwards ? [to, from] : [from, to]
  const state = (await events.streamState(reader, key)) ?? noState
  const bounded = high === Infinity && !backwards && state.maxCount === undefined
  const last = bounded ? Infinity : Math.min(high, (await events.lastRecord(reader, key)) ?? -1)
  const first = await firstKept(events, reader, key, Math.max(low, firstVersionOf(last, state)), state)
  return { first, last, limit, until: Number(until) }
}

/** The first version from `first` on that is not too old. Events are in the order of their times. */
async function firstKept(
  events: EventLog,
  reader: LogReader,
  key: Uint8Array,
  first: number,
  { maxAge }: StreamState,
): Promise<number> {
  if (maxAge === undefined) return first
  const oldest = Date.now() - maxAge
  let low = first
  let high = ((await events.lastRecord(reader, key)) ?? -1) + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [record] = await reader.history(eventsTopic, key, { from: middle, limit: 1 })
    if (record!.timestamp < oldest) low = middle + 1
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
  if (options.direction === 'backwards') {
    const loaded: StoredEvent[] = []
    for await (const page of readPages(events, reader, streamId, options)) loaded.push(...page.events)
    return loaded
  }
  const { first, last, limit, until } = await spanOf(events, reader, key, options)
  const most = Math.min(limit, last - first + 1)
  if (most <= 0) return []
  const page = most === Infinity ? { from: first } : { from: first, limit: most }
  const { events: loaded } = await events.history(reader, streamId, key, page)
  const later = until === Infinity ? -1 : loaded.findIndex(event => event.timestamp > until)
  return later === -1 ? loaded : loaded.slice(0, later)
}

// Pages grow until they have about so many bytes: streams of any length and event size in bounded memory.
const pageBytes = 1_000_000
const firstPage = 64
const largestPage = 2048

/** The events of a stream one after the other. */
export async function* read(
  events: EventLog,
  reader: LogReader,
  streamId: string,
  options: ReadEventsOptions = {},
): AsyncGenerator<StoredEvent, void, undefined> {
  for await (const page of readPages(events, reader, streamId, options)) yield* page.events
}

/** The events of a stream in pages: those of any length and event size in bounded memory. */
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
  let size = firstPage
  while (limit > 0 && first <= last) {
    const from = backwards ? Math.max(first, last - size + 1) : first
    const wanted = backwards ? last - from + 1 : Math.min(size, last - first + 1)
    const page = await events.history(reader, streamId, key, { from, limit: wanted })
    const { next, bytes } = page
    if (next === from) return
    if (bytes > pageBytes) size = Math.max(1, Math.floor((size * pageBytes) / bytes))
    else if (bytes < pageBytes / 2) size = Math.min(2 * size, largestPage)
    if (backwards) last = from - 1
    else first = next
    const kept = page.events.filter(event => event.timestamp <= until)
    const given = (backwards ? kept.reverse() : kept).slice(0, limit)
    limit -= given.length
    yield { ...page, events: given }
    // Events are in the order of their times: forwards none comes that is old enough.
    if (!backwards && kept.length < page.events.length) return
  }
}
