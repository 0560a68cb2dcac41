import { AegisError, type Durability, openLevel, openMemory } from '@aegis/storage'
import type { Log } from '../log.ts'
import { EmbeddedLog } from './embedded-log.ts'
import { checkTopic, type TopicDefaults } from './topic-state.ts'

export interface OpenLogOptions {
  /** The folder of the database; made if it is not there. One folder belongs to one process. */
  dataDir?: string
  /** Keeps everything in memory instead: for tests. */
  memory?: boolean
  /** Default `'fsync'`. */
  durability?: Durability
  /** The clock, in milliseconds since the epoch, for tests that cannot wait. Default `Date.now`. */
  now?: () => number
  /**
   * For topics that do not say otherwise when they are created; those that exist keep what they have. `retention`
   * applies to topics that are not keyed, and not to the internal ones, whose names start with `$`.
   */
  topicDefaults?: TopicDefaults
}

/**
 * Opens a log in a folder or in memory.
 * @throws AegisError `LOG_INVALID` unless exactly one of `dataDir` and `memory` is given, and what the storage throws: `STORAGE_LOCKED`, `STORAGE_LOSS`, …
 */
export async function openLog({
  dataDir,
  memory = false,
  durability = 'fsync',
  now = Date.now,
  topicDefaults = {},
}: OpenLogOptions): Promise<Log> {
  if ((dataDir === undefined) === !memory) {
    throw new AegisError('LOG_INVALID', 'openLog takes either dataDir or memory: give one of them')
  }
  checkTopic('topicDefaults', topicDefaults)
  const storage = dataDir === undefined ? await openMemory() : await openLevel({ dataDir })
  const log = new EmbeddedLog(storage, durability, now, topicDefaults)
  try {
    await log.load()
  } catch (error) {
    await storage.close()
    throw error
  }
  return log
}
