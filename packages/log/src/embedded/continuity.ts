import { AegisError, type StorageReader } from '@aegis/storage'
import { partitionKey } from '../keys.ts'
import { decodeFigures } from './partition-state.ts'
import type { TopicState } from './topic-state.ts'

/**
 * Called when a range of batches goes on at `found` although `expected` was to come: fine if the records between were
 * deleted a moment ago, which storage shows before memory does, and otherwise damage that no read would notice, for
 * LevelDB can lose an entry without an error.
 * @throws AegisError `RECORDS_MISSING`
 */
export async function assertDeleted(
  storage: StorageReader,
  topic: TopicState,
  partition: number,
  expected: number,
  found: number,
): Promise<void> {
  if (topic.deleted) return
  const { id, name } = topic.config
  const row = await storage.get(partitionKey(id, partition))
  if (row === undefined ? topic.deleted : decodeFigures(row).startOffset >= found) return
  throw new AegisError(
    'RECORDS_MISSING',
    `records of topic ${name}, partition ${partition}, from offset ${expected} to ${found} are missing in storage: restore a backup, or read on at ${found}`,
    { details: { topic: name, partition, from: expected, to: found } },
  )
}
