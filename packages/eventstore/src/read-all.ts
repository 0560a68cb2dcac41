import type { LogRecord } from '@aegis/log'
import type { EventInput, StoredEvent } from './event.ts'
import { eventsTopic } from './event-codec.ts'
import type { EventLog } from './event-log.ts'
import { invalid, wholeNumber } from './invalid.ts'
import { type EventFilter, eventFilter } from './projection.ts'

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
  const { direction = 'forwards', from, to, limit = Infinity } = options
  wholeNumber('from', from)
  wholeNumber('to', to)
  wholeNumber('limit', options.limit)
  if (!['forwards', 'backwards'].includes(direction))
    throw invalid(`direction ${JSON.stringify(direction)}: give 'forwards' or 'backwards'`)
  const filter = eventFilter(options)
  const [low = 0, high = Infinity] = direction === 'forwards' ? [from, to] : [to, from]
  const end = Math.min(high + 1, await events.log.endOffset(eventsTopic))
  const pages = direction === 'forwards' ? forwards(events, low, end) : backwards(events, low, end)
  let left = limit
  for await (const records of pages) {
    for (const record of records) {
      const event = events.codec.decode(record)
      if (left === 0) return
      if (!filter.event(event)) continue
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
  for (let high = end; high > low; high -= pageSize) {
    const window: LogRecord[] = []
    for (let from = Math.max(low, high - pageSize); from < high; ) {
      const { records, nextOffset } = await log.read(eventsTopic, 0, { from, maxRecords: high - from })
      window.push(...records.filter(record => record.offset < high))
      from = nextOffset
    }
    yield window.reverse()
  }
}
