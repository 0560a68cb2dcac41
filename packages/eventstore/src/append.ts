import type { Log, LogReader, OutgoingRecord, RecordPosition, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { EventInput } from './event.ts'
import { encodeEvent, eventsTopic } from './event-codec.ts'
import { checkedExpectation, checkVersion, conflict, type ExpectedVersion } from './expected-version.ts'
import { streamKey } from './stream-id.ts'

export interface AppendEventsOptions {
  /** Default `'any'`. */
  expectedVersion?: ExpectedVersion
  /** Kept in the metadata of the events. */
  correlationId?: string
  /** Kept in the metadata of the events: the id of the event or command that caused them. */
  causationId?: string
}

/** What was appended. */
export interface AppendEventsResult {
  readonly streamId: string
  /** Version of the stream's last event; -1 when it has none. */
  readonly version: number
  /** Position of the last event appended; -1 when none was. */
  readonly position: number
  /** Ids of the events, in their order. */
  readonly ids: readonly string[]
}

/** What is appended when the transaction commits: `version` and `position` throw `TRANSACTION_STATE` before. */
export type AppendEventsReceipt = AppendEventsResult

/** An append, checked. */
interface Prepared {
  readonly streamId: string
  readonly key: Uint8Array
  readonly expected: ExpectedVersion
  readonly ids: readonly string[]
  readonly records: readonly OutgoingRecord[]
}

function prepare(
  streamId: string,
  events: EventInput | readonly EventInput[],
  { expectedVersion, correlationId, causationId }: AppendEventsOptions,
): Prepared {
  const key = streamKey(streamId)
  const expected = checkedExpectation(expectedVersion)
  const common = {
    ...(correlationId !== undefined && { correlationId }),
    ...(causationId !== undefined && { causationId }),
  }
  const encoded = (isList(events) ? events : [events]).map(event => encodeEvent(event, common))
  return {
    streamId,
    key,
    expected,
    ids: encoded.map(({ id }) => id),
    records: encoded.map(({ value }) => ({ key, value })),
  }
}

const isList = (events: EventInput | readonly EventInput[]): events is readonly EventInput[] => Array.isArray(events)

const lastVersion = async (reader: LogReader, key: Uint8Array): Promise<number | undefined> =>
  (await reader.get(eventsTopic, key))?.version

const resultOf = ({ streamId, ids }: Prepared, last: RecordPosition): AppendEventsResult => ({
  streamId,
  version: last.version!,
  position: last.offset,
  ids,
})

/** Appends in a commit of its own. The version is checked where the log puts things in order: nothing is read before. */
export async function append(
  log: Log,
  streamId: string,
  events: EventInput | readonly EventInput[],
  options: AppendEventsOptions,
): Promise<AppendEventsResult> {
  const prepared = prepare(streamId, events, options)
  const { key, expected, records } = prepared
  if (records.length === 0) {
    const last = await lastVersion(log, key)
    checkVersion(streamId, expected, last)
    return { streamId, version: last ?? -1, position: -1, ids: [] }
  }
  try {
    const { positions } = await log.append(eventsTopic, records, { expected })
    return resultOf(prepared, positions.at(-1)!)
  } catch (error) {
    if (AegisError.is(error, 'VERSION_CONFLICT')) throw conflict(streamId, expected, error.details['actual'], error)
    throw error
  }
}

/** Appends when the transaction commits. An append that expects nothing reads nothing, so that it cannot conflict. */
export async function appendWithin(
  tx: Transaction,
  streamId: string,
  events: EventInput | readonly EventInput[],
  options: AppendEventsOptions,
): Promise<AppendEventsReceipt> {
  const prepared = prepare(streamId, events, options)
  const { key, expected, records, ids } = prepared
  if (expected === 'any' && records.length > 0) {
    const receipt = tx.append(eventsTopic, records)
    return {
      streamId,
      ids,
      get version() {
        return receipt.positions.at(-1)!.version!
      },
      get position() {
        return receipt.positions.at(-1)!.offset
      },
    }
  }
  const last = await lastVersion(tx, key)
  checkVersion(streamId, expected, last)
  const version = (last ?? -1) + records.length
  if (records.length === 0) return { streamId, version, position: -1, ids }
  const receipt = tx.append(eventsTopic, records)
  return {
    streamId,
    version,
    ids,
    get position() {
      return receipt.positions.at(-1)!.offset
    },
  }
}
