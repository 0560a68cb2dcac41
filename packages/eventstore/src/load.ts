import type { LogReader } from '@aegis/log'
import type { StoredEvent } from './event.ts'
import { decodeEvent, eventsTopic, invalid } from './event-codec.ts'
import { streamKey } from './stream-id.ts'

export interface LoadEventsOptions {
  /** First version. Default 0. */
  from?: number
  /** Largest number of events. Default: all. */
  limit?: number
}

/** The events of a stream in order; none when it does not exist. */
export async function load(
  reader: LogReader,
  streamId: string,
  options: LoadEventsOptions = {},
): Promise<StoredEvent[]> {
  const key = streamKey(streamId)
  for (const option of ['from', 'limit'] as const) {
    const value = options[option]
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0))
      throw invalid(`${option} ${String(value)}: give a whole number from 0`)
  }
  return (await reader.history(eventsTopic, key, options)).map(decodeEvent)
}
