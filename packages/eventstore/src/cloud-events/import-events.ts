import { isDeepStrictEqual } from 'node:util'
import { AegisError } from '@aegis/storage'
import type { EventInput, StoredEvent } from '../event.ts'
import { isAbsent } from '../event-protection.ts'
import type { EventStore } from '../event-store.ts'
import type { EventTransaction } from '../event-transaction.ts'
import { wholeNumber } from '../invalid.ts'
import { type CloudEvent, eventOf, parseCloudEvent } from './cloud-event.ts'
import { type Line, lineError, linesOf } from './lines.ts'

/** How far an import is. */
export interface ImportResult {
  /** The last line of which everything is stored or known to be. */
  readonly line: number
  /** Events that were appended. */
  readonly imported: number
  /** Events that were there already. */
  readonly repeated: number
  /** Lines that were given to `onInvalid`. */
  readonly invalid: number
}

export interface ImportEventsOptions {
  /** The stream of an event. Default: its `subject`, or without one its `source`. */
  streamId?: (event: CloudEvent) => string
  /** The first line wanted, from 1: those before it are passed over unread. Default 1. */
  fromLine?: number
  /** Called with what is wrong with a line, which is then left out. Default: the import ends there. */
  onInvalid?: (error: AegisError) => void
  /** Called after each commit. */
  onProgress?: (result: ImportResult) => void
}

interface Incoming {
  readonly line: number
  readonly streamId: string
  readonly event: EventInput & { readonly id: string }
}

const batchEvents = 200
const batchCharacters = 1_000_000
/** Others may append to the same streams: each conflict means that one of them went through. */
const retries = 1000

/**
 * Appends what `exportEvents` has written, or any events in the JSON format of CloudEvents 1.0, one to a line. An event whose stream
 * has one of its id is there already and not appended again, so that an import can be repeated, and goes on where it was
 * interrupted. The order within each stream is that of the lines; versions, positions and times of committing are new: the `time` of
 * the event is kept as `occurredAt` of its metadata.
 * @throws AegisError `IMPORT_INVALID` for a line that is not such an event, naming it; what was before it is stored
 */
export async function importEvents(
  store: EventStore,
  source: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
  { streamId = event => event.subject ?? event.source, fromLine = 1, onInvalid, onProgress }: ImportEventsOptions = {},
): Promise<ImportResult> {
  wholeNumber('fromLine', fromLine)
  let result: ImportResult = { line: fromLine - 1, imported: 0, repeated: 0, invalid: 0 }
  let batch: Incoming[] = []
  let characters = 0

  const refused = (error: unknown): void => {
    if (onInvalid === undefined || !AegisError.is(error, 'IMPORT_INVALID')) throw error
    onInvalid(error)
    result = { ...result, invalid: result.invalid + 1 }
  }
  const commit = async (): Promise<void> => {
    const line = batch.at(-1)?.line
    if (line === undefined) return
    const incoming = batch
    batch = []
    characters = 0
    const { imported, repeated } = await appendAll(store, incoming, refused)
    result = { ...result, line, imported: result.imported + imported, repeated: result.repeated + repeated }
    onProgress?.(result)
  }

  try {
    for await (const line of linesOf(source)) {
      if (line.number < fromLine) continue
      try {
        batch.push(incomingOf(line, streamId))
      } catch (error) {
        await commit()
        refused(error)
        continue
      }
      characters += line.text.length
      if (batch.length >= batchEvents || characters >= batchCharacters) await commit()
    }
  } finally {
    // Also when a line could not be read: what was before it is stored.
    await commit()
  }
  return result
}

function incomingOf({ number, text }: Line, streamId: (event: CloudEvent) => string): Incoming {
  try {
    const cloudEvent = parseCloudEvent(text)
    return { line: number, streamId: streamId(cloudEvent), event: eventOf(cloudEvent) }
  } catch (error) {
    throw lineError(number, error instanceof Error ? error.message : String(error), error)
  }
}

type Counts = Pick<ImportResult, 'imported' | 'repeated'>

/** In one commit; one by one when an event of them is refused, so that those before it are stored. */
async function appendAll(
  store: EventStore,
  batch: readonly Incoming[],
  refused: (error: unknown) => void,
): Promise<Counts> {
  try {
    return await store.transaction(
      async events => {
        const counts = { imported: 0, repeated: 0 }
        for (const incoming of batch) counts[await appendOne(events, incoming)]++
        return counts
      },
      { retries },
    )
  } catch (error) {
    if (!AegisError.is(error)) throw error
    if (batch.length === 1) {
      // What is wrong with the event, not with the store.
      if (!['EVENT_INVALID', 'EVENT_ID_USED', 'RECORD_TOO_LARGE', 'STREAM_TOMBSTONED'].includes(error.code)) throw error
      refused(lineError(batch[0]!.line, error.message, error))
      return { imported: 0, repeated: 0 }
    }
    const counts = { imported: 0, repeated: 0 }
    for (const incoming of batch) {
      const { imported, repeated } = await appendAll(store, [incoming], refused)
      counts.imported += imported
      counts.repeated += repeated
    }
    return counts
  }
}

async function appendOne(events: EventTransaction, { streamId, event }: Incoming): Promise<keyof Counts> {
  const receipt = await events.append(streamId, event)
  if (!isStored(receipt)) return 'imported'
  const { version } = receipt
  const [stored] = await events.load(streamId, { from: version, to: version })
  // A stream that was deleted or truncated since has it, and shows it no more.
  if (stored === undefined || isSame(stored, event)) return 'repeated'
  throw new AegisError(
    'EVENT_ID_USED',
    `stream ${streamId} has another event with id ${event.id}, at version ${version}: give the events streams of their own by streamId`,
    { details: { streamId, id: event.id, version } },
  )
}

/** The position of what is appended is not known before the commit. */
function isStored(receipt: { readonly position: number }): boolean {
  try {
    return receipt.position >= -1
  } catch (error) {
    if (AegisError.is(error, 'TRANSACTION_STATE')) return false
    throw error
  }
}

const isSame = (stored: StoredEvent, { type, data }: EventInput): boolean =>
  stored.type === type && isSameValue(stored.data, data)

/** What was forgotten cannot be compared. */
function isSameValue(stored: unknown, value: unknown): boolean {
  if (isAbsent(stored) || isDeepStrictEqual(stored, value)) return true
  if (typeof stored !== 'object' || stored === null || typeof value !== 'object' || value === null) return false
  const entries = Object.entries(stored)
  return (
    entries.length === Object.keys(value).length &&
    entries.every(
      ([key, inner]) => Object.hasOwn(value, key) && isSameValue(inner, (value as Record<string, unknown>)[key]),
    )
  )
}
