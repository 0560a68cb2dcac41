import { type Log, openLog } from '@aegis/log'
import { AegisError, openBackup, openLevel, type Storage } from '@aegis/storage'

/** The log of a folder, which may be a database or a backup. */
export interface OpenFolder extends AsyncDisposable {
  readonly log: Log
}

/** @throws AegisError `STORAGE_LOCKED` while a program has it open, `STORAGE_FORMAT` when it is neither */
export async function openFolder(folder: string): Promise<OpenFolder> {
  const storage = await openStorage(folder)
  try {
    const log = await openLog({ storage })
    return {
      log,
      async [Symbol.asyncDispose]() {
        await log.close()
        await storage.close()
      },
    }
  } catch (error) {
    await storage.close()
    throw error
  }
}

async function openStorage(folder: string): Promise<Storage> {
  try {
    return await openLevel({ dataDir: folder, createIfMissing: false })
  } catch (error) {
    if (!AegisError.is(error, 'STORAGE_FORMAT') || error.details['backup'] !== true) throw error
    return (await openBackup(folder)).storage
  }
}
