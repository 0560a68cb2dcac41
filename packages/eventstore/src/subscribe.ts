import type { EventInput, StoredEvent } from './event.ts'
import { eventsTopic } from './event-codec.ts'
import type { EventLog } from './event-log.ts'
import { invalid } from './invalid.ts'
import { matches, streamPattern } from './stream-id.ts'

export interface SubscribeEventsOptions {
  /** Default `'earliest'`; `position` is the first one wanted. */
  from?: 'earliest' | 'latest' | { position: number }
  signal?: AbortSignal
}

/** Stored events, then live ones; leaving the loop closes it. */
export interface EventSubscription<E extends EventInput = EventInput> extends AsyncIterable<StoredEvent<E>> {
  close(): void
}

/** Follows the events of the streams of a pattern. The start is fixed when it returns. */
export function follow<E extends EventInput>(
  { log, codec }: EventLog,
  streams: string,
  { from = 'earliest', signal }: SubscribeEventsOptions,
): EventSubscription<E> {
  const pattern = streamPattern(streams)
  const start = from === 'earliest' ? 0 : from === 'latest' ? undefined : from.position
  if (start !== undefined && !(Number.isSafeInteger(start) && start >= 0))
    throw invalid(`from ${JSON.stringify(from)}: give 'earliest', 'latest' or { position }`)
  const positions = new Map([[0, start ?? log.endOffset(eventsTopic)]])
  const follower = log.follow(eventsTopic, signal === undefined ? { positions } : { positions, signal })
  async function* events() {
    try {
      for (let page = await follower.next(); page !== undefined; page = await follower.next()) {
        for (const record of page.records) {
          const event = codec.decode(record)
          if (matches(pattern, event.streamId)) yield event as StoredEvent<E>
        }
      }
    } finally {
      follower.close()
    }
  }
  const iterator = events()
  return { close: () => follower.close(), [Symbol.asyncIterator]: () => iterator }
}
