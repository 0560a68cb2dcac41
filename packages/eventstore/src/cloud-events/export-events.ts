import type { EventInput } from '../event.ts'
import type { EventFilter } from '../event-filter.ts'
import type { EventStore } from '../event-store.ts'
import { invalid } from '../invalid.ts'
import { cloudEventOf } from './cloud-event.ts'

export interface ExportEventsOptions<E extends EventInput = EventInput> extends EventFilter<E> {
  /** The first position: to go on, the `position` of the last line that was kept, plus 1. Default: the first. */
  from?: number
  /** The last position. Default: what is stored when the export begins. */
  to?: number
  /** The beginning of each event's `source`, a URI reference that says where it comes from. Default `'/streams'`. */
  source?: string
}

/**
 * The events of all streams, or those of a filter, in the order of their positions: each a line of JSON in the format of
 * CloudEvents 1.0, with its end of line. In bounded memory. Events are exported as they are read: of the newest schema, with private fields readable
 * unless they are forgotten.
 * @throws AegisError `EVENT_INVALID`
 * @example await pipeline(exportEvents(store), createWriteStream('events.ndjson'))
 */
export async function* exportEvents<E extends EventInput>(
  store: EventStore,
  { source = '/streams', ...options }: ExportEventsOptions<E> = {},
): AsyncGenerator<string, void, undefined> {
  if (typeof source !== 'string' || source === '') throw invalid(`source ${JSON.stringify(source)}: give a text`)
  for await (const event of store.readAll(options)) yield `${JSON.stringify(cloudEventOf(event, source))}\n`
}
