import type { LogReader } from '@aegis/log'
import type { EventLog } from '../event-log.ts'
import { firstKept } from '../reading/read.ts'
import { streamKey } from './stream-id.ts'
import { lastVersionOf, noState } from './stream-state.ts'

/** What is known of a stream: its events are those from `firstVersion` to `version`. */
export interface StreamDescription {
  readonly streamId: string
  /** Version of its last event, which an append can expect; -1 when there is no such stream, or it was deleted. */
  readonly version: number
  /** Version of the first event that is read; higher than `version` when there is none. */
  readonly firstVersion: number
  /** As `retainStream` has set it. */
  readonly maxCount?: number
  /** As `retainStream` has set it, in milliseconds. */
  readonly maxAge?: number
  /** Deleted for good. */
  readonly tombstoned: boolean
}

export async function describeStream(
  events: EventLog,
  reader: LogReader,
  streamId: string,
): Promise<StreamDescription> {
  const key = streamKey(streamId)
  const state = (await events.streamState(reader, key)) ?? noState
  const last = await events.lastVersion(reader, key)
  const { maxCount, maxAge, tombstoned } = state
  return {
    streamId,
    version: lastVersionOf(last, state) ?? -1,
    firstVersion: await firstKept(events, reader, key, last ?? -1, state),
    ...(maxCount !== undefined && { maxCount }),
    ...(maxAge !== undefined && { maxAge }),
    tombstoned,
  }
}
