import type { Receipt, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { eventsTopic } from '../event-codec.ts'
import type { EventLog } from '../event-log.ts'
import { firstKept } from '../reading/read.ts'
import { lastVersionOf, noState } from '../streams/stream-state.ts'
import type { Alongside } from './append.ts'
import { rememberIds, repeated } from './event-ids.ts'
import { checkVersion } from './expected-version.ts'
import type { AppendEventsResult, PreparedAppend } from './prepare-append.ts'

/** What is appended when the transaction commits: what only the commit decides throws `TRANSACTION_STATE` before. */
export type AppendEventsReceipt = AppendEventsResult

/**
 * Appends when the transaction commits. An append that expects nothing reads nothing, so that it cannot conflict, unless
 * ids or projections make it look.
 */
export async function appendWithin(
  events: EventLog,
  tx: Transaction,
  prepared: PreparedAppend,
  alongside?: Alongside,
): Promise<AppendEventsReceipt> {
  const result = await appendOnly(events, tx, prepared)
  alongside?.(tx, result)
  return result
}

async function appendOnly(events: EventLog, tx: Transaction, prepared: PreparedAppend): Promise<AppendEventsReceipt> {
  const { streamId, key, expected, records, ids, repeatable } = prepared
  const state = (await events.streamState(tx, key)) ?? noState
  if (state.tombstoned) {
    throw new AegisError('STREAM_TOMBSTONED', `stream ${streamId} was deleted for good: append to another`, {
      details: { streamId },
    })
  }
  if (repeatable) {
    const first = await repeated(tx, prepared, events.incarnation)
    if (first !== undefined) return first
  }
  const projections = events.projections.of(streamId)
  const retained = state.maxCount !== undefined || state.maxAge !== undefined
  if (expected === 'any' && records.length > 0 && !repeatable && projections.length === 0 && !retained) {
    return receiptOf(prepared, tx.append(eventsTopic, records))
  }
  const last = await events.lastVersion(tx, key)
  checkVersion(streamId, expected, lastVersionOf(last, state))
  const version = (last ?? -1) + records.length
  if (records.length === 0) return { streamId, version: lastVersionOf(last, state) ?? -1, position: -1, ids }
  const timestamp = Date.now()
  const receipt = tx.append(
    eventsTopic,
    projections.length === 0 ? records : records.map(record => ({ ...record, timestamp })),
  )
  if (repeatable) rememberIds(tx, prepared, version, events.incarnation)
  if (retained && crosses(last ?? -1, version))
    events.takeAway(tx, key, await firstKept(events, tx, key, version, state))
  if (projections.length > 0) {
    for (const event of events.stored(prepared, version - records.length + 1, timestamp)) {
      for (const projection of projections) if (projection.takes(event)) await projection.apply(event, tx)
    }
  }
  return receiptOf(prepared, receipt, version)
}

/** What a stream does not keep is taken away with every so many of its events: looking for it costs more than an append. */
const crosses = (before: number, after: number): boolean => Math.floor(before / 16) !== Math.floor(after / 16)

function receiptOf({ streamId, ids }: PreparedAppend, receipt: Receipt, version?: number): AppendEventsReceipt {
  return {
    streamId,
    ids,
    get version() {
      return version ?? receipt.positions.at(-1)!.version!
    },
    get position() {
      return receipt.positions.at(-1)!.offset
    },
  }
}
