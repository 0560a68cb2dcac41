import type { Log, LogReader, Transaction } from '@aegis/log'
import { eventsTopic } from '../event-codec.ts'
import { CheckpointStore } from '../processors/checkpoint.ts'

/** What is stored of a projection beside its read models: which build is read, and which others there are. */
export interface StoredProjection {
  /** The build that is read. */
  readonly live: number
  /** The projection's version that has made the live build. */
  readonly version: number
  /** A build that is to become the live one, and the version that makes it. */
  readonly building?: { readonly build: number; readonly version: number }
  /** The highest number that was given to a build. */
  readonly newest: number
  /** Builds that nobody is to read any more. */
  readonly old: readonly number[]
  /** Of one that is inline: until then appends wait, for another build is about to be read. */
  readonly switching?: number
  /** Whether the live build is written by appends. */
  readonly inline?: true
  /** Positions mean nothing in another incarnation of the events' topic. */
  readonly incarnation: string
}

const space = '$projections'
const keyOf = (name: string): Uint8Array => Buffer.from(JSON.stringify(['projection', name]))

export async function readProjection(reader: LogReader, name: string): Promise<StoredProjection | undefined> {
  const stored = await reader.getState(space, keyOf(name))
  return stored === undefined ? undefined : JSON.parse(Buffer.from(stored).toString())
}

/** The first build is read from the beginning on, while it is made. */
export function firstProjection(log: Log, version: number): StoredProjection {
  return { live: 1, version, newest: 1, old: [], incarnation: log.topic(eventsTopic).incarnation }
}

/**
 * What is stored of an inline one, as it is for the events that there are. When their topic was deleted and made again, all that was
 * made of them before is of events that are gone: another build is read, which is empty as the topic was.
 */
export function inlineProjection(log: Log, version: number, stored: StoredProjection | undefined): StoredProjection {
  if (stored === undefined) return { ...firstProjection(log, version), inline: true }
  const { incarnation } = log.topic(eventsTopic)
  if (stored.incarnation === incarnation) return stored.inline === true ? stored : { ...stored, inline: true }
  const { building, live, old } = stored
  const build = stored.newest + 1
  const given = building === undefined ? [...old, live] : [...old, live, building.build]
  return { live: build, version, newest: build, old: given, inline: true, incarnation }
}

export function writeProjection(tx: Transaction, name: string, stored: StoredProjection): void {
  tx.putState(space, keyOf(name), Buffer.from(JSON.stringify(stored)))
}

/** Changes what is stored in a commit of its own; gives what is stored then. */
export function changeProjection(
  log: Log,
  name: string,
  change: (stored: StoredProjection | undefined) => StoredProjection,
): Promise<StoredProjection> {
  return log.transaction(async (tx: Transaction) => {
    const stored = await readProjection(tx, name)
    const changed = change(stored)
    if (changed !== stored) writeProjection(tx, name, changed)
    return changed
  })
}

export const checkpointOf = (name: string, build: number): CheckpointStore =>
  new CheckpointStore(space, JSON.stringify([name, build]))

/** The key space of a build that has documents. */
export const documentSpace = (name: string, build: number): string => `$projection.${build}.${name}`
