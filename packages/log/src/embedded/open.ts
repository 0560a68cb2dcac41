import { AegisError, type Durability, openLevel, openMemory, type Storage } from '@aegis/storage'
import type { Log } from '../log.ts'
import { EmbeddedLog } from './embedded-log.ts'
import { checkTopic, type TopicDefaults } from './topic-options.ts'

export interface OpenLogOptions {
  /** The folder of the database; made if it is not there. One folder belongs to one process. */
  dataDir?: string
  /** Keeps everything in memory instead: for tests. */
  memory?: boolean
  /** A storage of your own instead. It stays open when the log is closed, and nothing else may write to it. */
  storage?: Storage
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
 * Opens a log in a folder, in memory or in a storage that is open.
 * @throws AegisError `LOG_INVALID` unless exactly one of `dataDir`, `memory` and `storage` is given, and what the storage
 * throws: `STORAGE_LOCKED`, `STORAGE_LOSS`, …
 */
export async function openLog(options: OpenLogOptions): Promise<Log> {
  const { dataDir, memory = false, storage: given, durability = 'fsync', now = Date.now, topicDefaults = {} } = options
  if (Number(dataDir !== undefined) + Number(memory) + Number(given !== undefined) !== 1) {
    throw new AegisError('LOG_INVALID', 'openLog takes one of dataDir, memory and storage: give exactly one')
  }
  checkTopic('topicDefaults', topicDefaults)
  const storage = given ?? (dataDir === undefined ? await openMemory() : await openLevel({ dataDir }))
  const ownsStorage = given === undefined
  const log = new EmbeddedLog(storage, { durability, now, defaults: topicDefaults, ownsStorage })
  try {
    await log.load()
  } catch (error) {
    if (ownsStorage) await storage.close()
    throw error
  }
  return log
}
