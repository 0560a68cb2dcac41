import type { Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { eventsTopic } from '../event-codec.ts'
import type { AppendEventsResult, PreparedAppend } from './prepare-append.ts'

// By stream and id: the version, and the incarnation of the topic that has it: in another the event is not. Only ids that users have
// given are kept: those of the store are never repeated.
const space = '$events.ids'

function idKey(streamKey: Uint8Array, id: string): Uint8Array {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(streamKey.length)
  return Buffer.concat([length, streamKey, Buffer.from(id)])
}

/** The result of the first append of these events, when they were appended before. @throws AegisError `EVENT_ID_USED` */
export async function repeated(
  tx: Transaction,
  { streamId, key, ids }: PreparedAppend,
  incarnation: string,
): Promise<AppendEventsResult | undefined> {
  const stored = await Promise.all(ids.map(id => tx.getState(space, idKey(key, id))))
  const versions = stored.flatMap(value => {
    if (value === undefined) return []
    const [version, of] = Buffer.from(value).toString().split(' ', 2)
    return of === incarnation ? [Number(version)] : []
  })
  if (versions.length === 0) return undefined
  if (versions.length < ids.length || versions.some((version, at) => version !== versions[0]! + at)) {
    throw new AegisError(
      'EVENT_ID_USED',
      `of ${ids.length} events, stream ${streamId} has ${versions.length} already, or in another order: repeat an append as it was`,
      { details: { streamId, ids } },
    )
  }
  const version = versions.at(-1)!
  const [last] = await tx.history(eventsTopic, key, { from: version, limit: 1 })
  // It may have been truncated since.
  return { streamId, version, position: last?.version === version ? last.offset : -1, ids }
}

/** @param version That of the last of the events. */
export function rememberIds(tx: Transaction, { key, ids }: PreparedAppend, version: number, incarnation: string): void {
  for (const [at, id] of ids.entries()) {
    tx.putState(space, idKey(key, id), Buffer.from(`${version - ids.length + 1 + at} ${incarnation}`))
  }
}
