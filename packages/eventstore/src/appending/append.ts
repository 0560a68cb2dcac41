import type { Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { eventsTopic } from '../event-codec.ts'
import type { EventLog } from '../event-log.ts'
import { appendWithin } from './append-within.ts'
import { checkVersion, conflict } from './expected-version.ts'
import type { AppendEventsResult, PreparedAppend } from './prepare-append.ts'

// Only appends to the same stream, and transactions that have read it, conflict: each retry means that one went through.
const retries = 10_000

/** What is written in the commit of an append. */
export type Alongside = (tx: Transaction, result: AppendEventsResult) => void

/** Appends in a commit of its own. */
export async function append(
  events: EventLog,
  prepared: PreparedAppend,
  alongside?: Alongside,
): Promise<AppendEventsResult> {
  const { log } = events
  const { streamId, key, expected, records, ids, repeatable } = prepared
  const state = events.streamState(log, key)
  const special =
    alongside !== undefined ||
    repeatable ||
    events.projections.of(streamId).length > 0 ||
    (state !== undefined && (await state) !== undefined)
  if (special) return log.transaction(tx => appendWithin(events, tx, prepared, alongside), { retries })
  if (records.length === 0) {
    const last = await events.lastVersion(log, key)
    checkVersion(streamId, expected, last)
    return { streamId, version: last ?? -1, position: -1, ids }
  }
  try {
    // The version is checked where the log puts things in order: nothing is read before.
    const { positions } = await log.append(eventsTopic, records, { expected })
    const last = positions.at(-1)!
    return { streamId, version: last.version!, position: last.offset, ids }
  } catch (error) {
    if (AegisError.is(error, 'VERSION_CONFLICT')) throw conflict(streamId, expected, error.details['actual'], error)
    throw error
  }
}
