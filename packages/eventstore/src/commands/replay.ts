import type { LogReader } from '@aegis/log'
import type { StoredEvent } from '../event.ts'
import type { EventLog } from '../event-log.ts'
import { readPages } from '../reading/read.ts'
import { streamKey } from '../streams/stream-id.ts'
import { lastVersionOf } from '../streams/stream-state.ts'
import type { Snapshot, Snapshots } from './snapshot.ts'

/** What replaying needs to know of a state. */
export interface Replaying<State> {
  initialState(): State
  evolve(state: State, event: StoredEvent): State
  /** Called with the state of a snapshot. */
  restored(state: State, version: number): void
}

/** The state of a stream, and what was read for it. */
export interface Replayed<State> {
  readonly state: State
  /** Version of the stream's last event; -1 when it has none. */
  readonly version: number
  /** Version of the snapshot that it began with; -1 without. */
  readonly snapshot: number
  /** Size of the events after the snapshot. */
  readonly bytes: number
}

/** The state that follows from the events of a stream, from its snapshot on if there is one. */
export async function replay<State>(
  events: EventLog,
  reader: LogReader,
  streamId: string,
  replaying: Replaying<State>,
  snapshots: Snapshots<State> | undefined,
): Promise<Replayed<State>> {
  const snapshot = await snapshots?.read(events, reader, streamKey(streamId))
  const replayed = snapshot && (await replayFrom(events, reader, streamId, replaying, snapshot))
  return replayed ?? (await replayFrom(events, reader, streamId, replaying, undefined))!
}

/** `undefined` when events are missing between the snapshot and what can be read. */
async function replayFrom<State>(
  events: EventLog,
  reader: LogReader,
  streamId: string,
  replaying: Replaying<State>,
  snapshot: Snapshot<State> | undefined,
): Promise<Replayed<State> | undefined> {
  let state = snapshot?.state ?? replaying.initialState()
  const first = (snapshot?.version ?? -1) + 1
  let version = first - 1
  let bytes = 0
  if (snapshot !== undefined) replaying.restored(state, version)
  for await (const page of readPages(events, reader, streamId, { from: first })) {
    if (snapshot !== undefined && page.first > version + 1) return undefined
    bytes += page.bytes
    for (const event of page.events) state = replaying.evolve(state, event)
    version = page.next - 1
  }
  if (version < first) {
    // There is nothing, or all of it was truncated, which a snapshot outlives.
    const key = streamKey(streamId)
    const streamState = await events.streamState(reader, key)
    if (streamState !== undefined) version = lastVersionOf(await events.lastVersion(reader, key), streamState) ?? -1
    if (snapshot !== undefined && version !== snapshot.version) return undefined
  }
  return { state, version, snapshot: snapshot?.version ?? -1, bytes }
}
