import type { LogRecord } from '@aegis/log'
import type { EventInput, StoredEvent } from './event.ts'
import { eventsTopic } from './event-codec.ts'
import { type EventFilter, eventFilter } from './event-filter.ts'
import type { EventLog } from './event-log.ts'
import { invalid, wholeNumber } from './invalid.ts'

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

const pageSize = 500

/** The events of all streams in the order of their commits, as far as they are stored when the reading begins. */
export async function* readAll(
  events: EventLog,
  options: ReadAllOptions,
): AsyncGenerator<StoredEvent, void, undefined> {
  await events.prepare()
  const { direction = 'forwards', from, to, limit = Infinity } = options
  wholeNumber('from', from)
  wholeNumber('to', to)
  wholeNumber('limit', options.limit)
  if (!['forwards', 'backwards'].includes(direction))
    throw invalid(`direction ${JSON.stringify(direction)}: give 'forwards' or 'backwards'`)
  const { codec } = events
  const filter = eventFilter(options, codec.renames)
  const [low = 0, high = Infinity] = direction === 'forwards' ? [from, to] : [to, from]
  const end = Math.min(high + 1, await events.log.endOffset(eventsTopic))
  const pages = direction === 'forwards' ? forwards(events, low, end) : backwards(events, low, end)
  let left = limit
  for await (const records of pages) {
    await events.fetchKeys(records)
    for (const record of records) {
      if (left === 0) return
      if (!filter.record(record)) continue
      const event = events.decode(record)
      if (!filter.event(event) || !codec.takes(event)) continue
      left--
      yield event
    }
  }
}

async function* forwards({ log }: EventLog, low: number, end: number): AsyncGenerator<readonly LogRecord[]> {
  for (let from = low; from < end; ) {
    const { records, nextOffset } = await log.read(eventsTopic, 0, { from, maxRecords: pageSize })
    yield records.filter(record => record.offset < end)
    from = nextOffset
  }
}

/** Windows of positions from the end, each read forwards. */
async function* backwards({ log }: EventLog, low: number, end: number): AsyncGenerator<readonly LogRecord[]> {
  let size = pageSize
  for (let high = end; high > low; ) {
    const window: LogRecord[] = []
    const start = Math.max(low, high - size)
    for (let from = start; from < high; ) {
      const { records, nextOffset } = await log.read(eventsTopic, 0, { from, maxRecords: pageSize })
      window.push(...records.filter(record => record.offset < high))
      from = nextOffset
    }
    // Positions need not be dense: on a cluster events are thousands of them apart.
    size = window.length < pageSize / 4 ? size * 4 : window.length > pageSize * 4 ? Math.ceil(size / 4) : size
    yield window.reverse()
    high = start
  }
}
