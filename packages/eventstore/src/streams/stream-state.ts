import type { LogReader, Transaction } from '@aegis/log'

/** How much of a stream is kept. Events beyond it are not read any more. */
export interface StreamRetention {
  /** At most so many of the newest events. Default: all. */
  readonly maxCount?: number
  /** Milliseconds, or a text such as `'30d'`. Default: of any age. */
  readonly maxAge?: number | string
}

/** What is known of a stream beside its events; most have none. */
export interface StreamState {
  readonly maxCount?: number
  /** Milliseconds. */
  readonly maxAge?: number
  /** Events of lower versions are not read any more. */
  readonly truncateBefore: number
  /** First version since the stream was deleted last: before it, it did not exist. */
  readonly since: number
  /** Deleted for good. */
  readonly tombstoned: boolean
}

const space = '$events.streams'

export const noState: StreamState = { truncateBefore: 0, since: 0, tombstoned: false }

/** As it is kept: streams of another incarnation of the events' topic are others. */
interface StoredState extends StreamState {
  readonly incarnation: string
}

export async function readStreamState(
  reader: LogReader,
  key: Uint8Array,
  current: string,
): Promise<StreamState | undefined> {
  const stored = await reader.getState(space, key)
  if (stored === undefined) return undefined
  const { incarnation, ...state }: StoredState = JSON.parse(Buffer.from(stored).toString('utf8'))
  return incarnation === current ? state : undefined
}

export function writeStreamState(tx: Transaction, key: Uint8Array, state: StreamState, incarnation: string): void {
  const stored: StoredState = { ...state, incarnation }
  tx.putState(space, key, Buffer.from(JSON.stringify(stored)))
}

/** Whether any stream has a state. */
export async function anyStreamState(reader: LogReader): Promise<boolean> {
  for await (const _ of reader.scanState(space)) return true
  return false
}

/** The version of a stream's last event as its users know it: none since it was deleted is none. */
export const lastVersionOf = (last: number | undefined, { since }: StreamState): number | undefined =>
  last === undefined || last < since ? undefined : last

/** The first version that is still to be read. */
export function firstVersionOf(last: number, { truncateBefore, since, maxCount }: StreamState): number {
  return Math.max(truncateBefore, since, maxCount === undefined ? 0 : last + 1 - maxCount)
}
