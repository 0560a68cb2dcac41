import { parseDuration, type Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { checkedExpectation, checkVersion, type ExpectedVersion } from '../appending/expected-version.ts'
import { deleteSnapshots } from '../commands/snapshot.ts'
import type { EventLog } from '../event-log.ts'
import { invalid, wholeNumber } from '../invalid.ts'
import { firstKept } from '../reading/read.ts'
import { streamKey } from './stream-id.ts'
import { lastVersionOf, noState, type StreamRetention, type StreamState, writeStreamState } from './stream-state.ts'

export interface DeleteStreamOptions {
  /** Default `'any'`. */
  expectedVersion?: ExpectedVersion
  /** For good: nothing can be appended any more. Default false: an append begins the stream anew, with the versions going on. */
  tombstone?: boolean
}

/** Changes what is known of a stream, in a transaction that conflicts with appends to it. */
async function change(
  events: EventLog,
  tx: Transaction,
  streamId: string,
  next: (state: StreamState, last: number | undefined) => StreamState,
): Promise<void> {
  const key = streamKey(streamId)
  // Before the commit: an append that begins after it must look.
  events.expectStreamStates()
  const state = (await events.streamState(tx, key)) ?? noState
  if (state.tombstoned) {
    throw new AegisError('STREAM_TOMBSTONED', `stream ${streamId} was deleted for good`, { details: { streamId } })
  }
  const last = await events.lastVersion(tx, key)
  // What has not been read any more is not read again, whatever is kept from now on: it may be gone.
  const changed = next({ ...state, truncateBefore: await firstKept(events, tx, key, last ?? -1, state) }, last)
  writeStreamState(tx, key, changed, events.incarnation)
  // What is not read any more gives its space back.
  events.takeAway(tx, key, await firstKept(events, tx, key, last ?? -1, changed))
}

/** Deletes a stream: it reads as one that does not exist. Deleting what does not exist is no error. */
export async function deleteStream(
  events: EventLog,
  tx: Transaction,
  streamId: string,
  { expectedVersion, tombstone = false }: DeleteStreamOptions,
): Promise<void> {
  const expected = checkedExpectation(expectedVersion)
  await change(events, tx, streamId, (state, last) => {
    checkVersion(streamId, expected, lastVersionOf(last, state))
    const next = (last ?? -1) + 1
    return { truncateBefore: next, since: next, tombstoned: tombstone }
  })
  await deleteSnapshots(tx, streamKey(streamId))
}

/** Events before a version are not read any more. */
export async function truncateStream(
  events: EventLog,
  tx: Transaction,
  streamId: string,
  before: number,
): Promise<void> {
  wholeNumber('before', before)
  await change(events, tx, streamId, (state, last) => {
    if (before > (last ?? -1) + 1)
      throw invalid(`stream ${streamId} cannot be truncated before ${before}: its last version is ${last ?? 'none'}`)
    return { ...state, truncateBefore: Math.max(before, state.truncateBefore) }
  })
}

/** Replaces how much of a stream is kept. */
export async function retainStream(
  events: EventLog,
  tx: Transaction,
  streamId: string,
  { maxCount, maxAge }: StreamRetention,
): Promise<void> {
  wholeNumber('maxCount', maxCount)
  const age = maxAge === undefined ? undefined : parseDuration('maxAge', maxAge)
  await change(events, tx, streamId, ({ truncateBefore, since, tombstoned }) => ({
    truncateBefore,
    since,
    tombstoned,
    ...(maxCount !== undefined && { maxCount }),
    ...(age !== undefined && { maxAge: age }),
  }))
}
