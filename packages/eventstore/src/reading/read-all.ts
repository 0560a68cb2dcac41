import type { LogRecord, ReadResult } from '@aegis/log'
import type { EventInput, StoredEvent } from '../event.ts'
import { eventsTopic } from '../event-codec.ts'
import { type EventFilter, eventFilter } from '../event-filter.ts'
import type { EventLog } from '../event-log.ts'
import { invalid, wholeNumber } from '../invalid.ts'
import { type EventIterator, PagedEvents } from './event-iterator.ts'

export interface ReadAllOptions<E extends EventInput = EventInput> extends EventFilter<E> {
  /** Default `'forwards'`. */
  direction?: 'forwards' | 'backwards'
  /** The position to begin with. Default: the first, backwards the last. */
  from?: number
  /** The position to end with, itself included. Default: the last when the reading begins, backwards the first. */
  to?: number
  /** Largest number of events. Default: all. */
  limit?: number
}

// Batches are read whole: one that is larger than a page would be read again for the next.
const page = { maxRecords: 20_000, maxBytes: 256_000 }

/** The events of all streams in the order of their commits, as far as they are stored when the reading begins. */
export function readAll(events: EventLog, options: ReadAllOptions): EventIterator {
  const filter = eventFilter(options, events.codec.renames)
  let left = checked(options).limit
  const take = (record: LogRecord): StoredEvent | undefined => {
    if (left === 0 || !filter.record(record)) return undefined
    const event = events.decode(record)
    if (!filter.event(event) || !events.codec.takes(event)) return undefined
    left--
    return event
  }
  return new PagedEvents(
    pagesOf(events, options, () => left),
    take,
  )
}

/** @throws AegisError `EVENT_INVALID` */
function checked({ direction = 'forwards', from, to, limit }: ReadAllOptions): {
  readonly direction: 'forwards' | 'backwards'
  readonly low: number
  readonly high: number
  readonly limit: number
} {
  wholeNumber('from', from)
  wholeNumber('to', to)
  wholeNumber('limit', limit)
  if (!['forwards', 'backwards'].includes(direction))
    throw invalid(`direction ${JSON.stringify(direction)}: give 'forwards' or 'backwards'`)
  const [low = 0, high = Infinity] = direction === 'forwards' ? [from, to] : [to, from]
  return { direction, low, high, limit: limit ?? Infinity }
}

async function* pagesOf(
  events: EventLog,
  options: ReadAllOptions,
  left: () => number,
): AsyncGenerator<readonly LogRecord[], void, undefined> {
  await events.prepare()
  const { direction, low, high } = checked(options)
  const end = Math.min(high + 1, await events.log.endOffset(eventsTopic))
  for await (const records of direction === 'forwards' ? forwards(events, low, end) : backwards(events, low, end)) {
    await events.fetchKeys(records)
    yield records
    if (left() === 0) return
  }
}

async function* forwards({ log }: EventLog, low: number, end: number): AsyncGenerator<readonly LogRecord[]> {
  const read = (from: number): Promise<ReadResult> => log.read(eventsTopic, 0, { from, ...page })
  // The next page is read while this one is gone through.
  for (let reading = low < end ? read(low) : undefined; reading !== undefined; ) {
    const { records, nextOffset } = await reading
    reading = nextOffset < end ? read(nextOffset) : undefined
    // It is waited for later: if it fails meanwhile, nobody has to care yet.
    reading?.catch(() => undefined)
    yield nextOffset <= end ? records : records.filter(record => record.offset < end)
  }
}

const pageSize = 500

/** Windows of positions from the end, each read forwards. */
async function* backwards({ log }: EventLog, low: number, end: number): AsyncGenerator<readonly LogRecord[]> {
  let size = pageSize
  for (let high = end; high > low; ) {
    const window: LogRecord[] = []
    const start = Math.max(low, high - size)
    for (let from = start; from < high; ) {
      const { records, nextOffset } = await log.read(eventsTopic, 0, { from, ...page })
      window.push(...records.filter(record => record.offset < high))
      from = nextOffset
    }
    // Positions need not be dense: on a cluster events are thousands of them apart.
    size = window.length < pageSize / 4 ? size * 4 : window.length > pageSize * 4 ? Math.ceil(size / 4) : size
    yield window.reverse()
    high = start
  }
}
