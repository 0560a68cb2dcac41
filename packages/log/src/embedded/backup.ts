import { AegisError, type BackupOptions, backupStorage, type CopyResult } from '@aegis/storage'
import type { Log } from '../log.ts'
import { EmbeddedLog } from './embedded-log.ts'

/**
 * Copies a log, as it is at this moment, to a new folder, while it is read and written: topics, keyed records, groups with
 * their positions, and private state, all as of one commit. `restoreBackup` of `@aegis/storage` makes a log of it again.
 *
 * After a restore the groups go on where they were at the backup. The topics leave out the offsets that later records had:
 * a position that somebody keeps elsewhere, of a record that is gone, is `OFFSET_RESET`, never another record.
 * @throws AegisError `LOG_INVALID` for a log that is not in a folder or in memory here, and as `backupStorage`
 */
export async function backupLog(log: Log, options: BackupOptions): Promise<CopyResult> {
  return backupStorage(embedded(log).database, options)
}

export function embedded(log: Log): EmbeddedLog {
  if (log instanceof EmbeddedLog) return log
  throw new AegisError(
    'LOG_INVALID',
    'log was not opened by openLog: what a server keeps is backed up and verified there',
  )
}
