import { mkdir } from 'node:fs/promises'

import { readIdentity } from '../identity.ts'
import { SequencedStorage } from '../sequenced-storage.ts'
import { storageFailure } from '../storage-failure.ts'
import type { Storage } from '../storage.ts'
import { openDatabase } from './database.ts'

export async function openFolder(dataDir: string, _allowLoss: boolean): Promise<Storage> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const db = await openDatabase(dataDir, true)
  try {
    return new SequencedStorage({ db, ...(await readIdentity(db)) })
  } catch (error) {
    throw storageFailure(error, `Opening ${dataDir}`)
  }
}
