import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { type OpenWindows, windowPrefix } from './open-windows.ts'
import type { WatermarkState } from './watermark.ts'

/** How far a job has come; stored in each of its commits. */
export interface Progress {
  /** The first offset of the source that was not processed. */
  readonly position: number
  readonly watermark: WatermarkState
  readonly recordsIn: number
  readonly recordsOut: number
  readonly late: number
}

interface Identity {
  readonly topology: unknown
  /** Of the source topic: positions in another one mean nothing. */
  readonly incarnation: string
}

/** Where the state of a processor is kept, apart from everything else. */
export const stateSpace = (id: string): string => `$processing.${id}`
const identityKey = Uint8Array.of(0)
export const progressKey = Uint8Array.of(2)

export const encodeJson = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const decodeJson = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString('utf8'))

/**
 * Compares what is stored under the id with what is given, or stores it the first time.
 * @throws AegisError `TOPOLOGY_CHANGED`, `OFFSET_RESET`
 */
export async function checkIdentity(log: Log, id: string, source: string, given: Identity): Promise<void> {
  const bytes = await log.getState(stateSpace(id), identityKey)
  if (bytes === undefined) {
    await log.transaction(tx => tx.putState(stateSpace(id), identityKey, encodeJson(given)))
    return
  }
  const stored = decodeJson(bytes) as Identity
  const [was, is] = [JSON.stringify(stored.topology), JSON.stringify(given.topology)]
  if (was !== is) {
    throw new AegisError(
      'TOPOLOGY_CHANGED',
      `processor ${id} was started as ${was} and is now ${is}: give it another id, or call reset() to begin anew`,
      { details: { stored: stored.topology, given: given.topology } },
    )
  }
  if (stored.incarnation !== given.incarnation) {
    throw new AegisError(
      'OFFSET_RESET',
      `processor ${id} has read another topic ${source}, which was deleted since: call reset() to begin anew`,
    )
  }
}

export async function loadProgress(log: Log, id: string): Promise<Progress | undefined> {
  const bytes = await log.getState(stateSpace(id), progressKey)
  if (bytes !== undefined) return decodeJson(bytes) as Progress
  // Windows without progress are what a reset that was interrupted has left.
  await deleteWindows(log, id)
  return undefined
}

export async function loadWindows(log: Log, id: string, windows: OpenWindows): Promise<void> {
  for await (const [key, value] of log.scanState(stateSpace(id), windowPrefix)) windows.load(key, value)
}

/** Deletes everything stored under the id. */
export async function deleteState(log: Log, id: string): Promise<void> {
  await deleteKeys(log, id, [progressKey, identityKey])
  await deleteWindows(log, id)
}

// A part at a time: a processor may hold more than fits in one transaction.
async function deleteWindows(log: Log, id: string): Promise<void> {
  let keys: Uint8Array[] = []
  for await (const [key] of log.scanState(stateSpace(id), windowPrefix)) {
    keys.push(key)
    if (keys.length < 1000) continue
    await deleteKeys(log, id, keys)
    keys = []
  }
  if (keys.length > 0) await deleteKeys(log, id, keys)
}

const deleteKeys = (log: Log, id: string, keys: readonly Uint8Array[]): Promise<void> =>
  log.transaction(tx => {
    for (const key of keys) tx.deleteState(stateSpace(id), key)
  })
