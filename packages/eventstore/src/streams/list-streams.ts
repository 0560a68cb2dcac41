import { eventsTopic } from '../event-codec.ts'
import type { EventLog } from '../event-log.ts'
import { matches, streamIdOf, streamPattern } from './stream-id.ts'
import { firstVersionOf } from './stream-state.ts'

/** A stream that has events. */
export interface StreamSummary {
  readonly streamId: string
  /** Version of its last event. */
  readonly version: number
  /** Position of its last event. */
  readonly position: number
  /** When its last event was committed, milliseconds since the epoch. */
  readonly timestamp: number
}

/** The streams of a pattern that have events, by the bytes of their ids. */
export async function* listStreams(events: EventLog, streams: string): AsyncGenerator<StreamSummary, void, undefined> {
  await events.prepare()
  const { log } = events
  const pattern = streamPattern(streams)
  const prefix = Buffer.from('prefix' in pattern ? pattern.prefix : pattern.stream)
  for await (const { key, version, offset, timestamp } of log.scan(eventsTopic, prefix)) {
    const streamId = streamIdOf(key!)
    if (!matches(pattern, streamId)) continue
    const state = await events.streamState(log, key!)
    if (state !== undefined && firstVersionOf(version, state) > version) continue
    yield { streamId, version, position: offset, timestamp }
  }
}
