import { AegisError } from '@aegis/storage'
import type { FollowOptions, KeyedRecord, KeyHistoryOptions, ReadResult } from '../../log.ts'
import { partitionForKey } from '../../partitioner.ts'
import type { ReadLimits } from '../batch-reader.ts'
import type { TopicState } from '../topic-state.ts'

type History = (options: KeyHistoryOptions) => Promise<readonly KeyedRecord[]>

/** @throws AegisError `LOG_INVALID` */
export function checkFollowedKey(
  topic: string,
  partitions: number,
  { key, positions }: Pick<FollowOptions, 'key' | 'positions'>,
): void {
  if (key === undefined) return
  const own = partitionForKey(key, partitions)
  for (const partition of positions.keys()) {
    if (partition === own) continue
    throw new AegisError(
      'LOG_INVALID',
      `partition ${partition} of topic ${topic} is not that of the key that is followed: give partition ${own} alone`,
    )
  }
}

/** Reads the records of a key as a follower does, from their history; a page goes on where the one before has ended. */
export function keyReads(
  topic: TopicState,
  history: History,
): (partition: number, from: number, limits: ReadLimits) => Promise<ReadResult> {
  let next = { offset: 0, version: 0 }
  return async (_, from, { maxRecords, maxBytes }) => {
    // Taken before reading: everything below it is durable, so what is not found is not there.
    const end = topic.endOffset
    const version = next.offset === from ? next.version : await versionFrom(history, from)
    const records = await history({ from: version, limit: maxRecords, maxBytes })
    const last = records.at(-1)
    next =
      last === undefined
        ? { offset: Math.max(from, end), version }
        : { offset: last.offset + 1, version: last.version + 1 }
    const bytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
    return { records, nextOffset: next.offset, bytes }
  }
}

/** The version of the first record of a history at or behind an offset. */
async function versionFrom(history: History, offset: number): Promise<number> {
  const [newest] = await history({ reverse: true, limit: 1 })
  if (newest === undefined) return 0
  if (newest.offset < offset) return newest.version + 1
  let low = 0
  let high = newest.version
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    // The next one where records were truncated.
    const [record] = await history({ from: middle, limit: 1 })
    if (record === undefined || record.offset >= offset) high = middle
    else low = record.version + 1
  }
  return low
}
