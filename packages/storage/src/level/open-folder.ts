import { existsSync } from 'node:fs'
import { chmod } from 'node:fs/promises'

import { AegisError } from '../errors.ts'
import { readCounter, readDatabaseId, writeIdentity } from '../identity.ts'
import { SequencedStorage } from '../sequenced-storage.ts'
import type { Storage } from '../storage.ts'
import type { Store } from '../store.ts'
import { openDatabase } from './database.ts'
import { Journal } from './journal.ts'
import { findLoss, findShortage, lossError, requiredCounter } from './loss.ts'
import type { Table } from './manifest.ts'
import {
  type BackupOrigin,
  beginCreation,
  isEmptyFolder,
  type Marker,
  readMarker,
  removeDatabase,
  writeMarker,
} from './marker.ts'
import { ownFolder, type Release, writeOwner } from './ownership.ts'
import { SideFile } from './side-file.ts'
import { assertTables, checkTablesLater, type TableCheck } from './table-check.ts'
import { verifyTables } from './tables.ts'

interface Opened {
  readonly store: Store
  readonly databaseId: string
  readonly counter: number
  /** Whether something is missing that was acknowledged. */
  readonly lossy?: boolean
  readonly readOnly?: boolean
  /** That were too large to be compared with their checksums before. */
  readonly unchecked?: ReadonlyMap<number, Table>
}

/** Opens or creates the database of a folder: guard, marker, logs, LevelDB, counter, in this order. */
export async function openFolder(
  dataDir: string,
  { allowLoss, createIfMissing }: { allowLoss: boolean; createIfMissing: boolean },
): Promise<Storage> {
  const missing = () =>
    new AegisError('STORAGE_FORMAT', `There is no database in ${dataDir}`, { details: { folder: dataDir } })
  if (!createIfMissing && !existsSync(dataDir)) throw missing()
  return ownFolder(dataDir, createIfMissing, async (folder, release) => {
    const marker = await readMarker(folder)
    assertUse(folder, marker, 'ready')
    if (!createIfMissing && marker?.state !== 'ready') throw missing()
    if (marker === undefined) await chmod(folder, 0o700)
    await writeOwner(folder)
    if (marker?.state === 'ready') return serve(folder, await openExisting(folder, marker, allowLoss), release)
    const created = await create(folder, 'creating')
    await writeMarker(folder, { databaseId: created.databaseId, state: 'ready' }).catch(async (error: unknown) => {
      await created.store.close()
      throw error
    })
    return serve(folder, created, release)
  })
}

/** Opens a backup for reading. */
export function openBackupFolder(path: string): Promise<{ storage: Storage; origin: BackupOrigin }> {
  return ownFolder(path, false, async (folder, release) => {
    const marker = await readMarker(folder)
    assertUse(folder, marker, 'backup')
    if (marker?.origin === undefined) throw notABackup(folder, 'is empty')
    await writeOwner(folder)
    const opened = await openExisting(folder, marker, false)
    return { storage: await serve(folder, { ...opened, readOnly: true }, release), origin: marker.origin }
  })
}

/** A storage that is being filled, and that nobody can open before it is complete. */
export interface Copy {
  readonly storage: Storage
  /** Closes it and lets its marker say what it has become. */
  complete(marker: Marker): Promise<void>
  /** Closes it and leaves an empty folder. */
  discard(): Promise<void>
}

/**
 * A new storage in an empty folder.
 * @throws AegisError `STORAGE_INVALID` when the folder is not empty.
 */
export function createCopy(path: string): Promise<Copy> {
  return ownFolder(path, true, async (folder, release) => {
    if (!(await isEmptyFolder(folder))) {
      throw new AegisError('STORAGE_INVALID', `to must be an empty or a new folder; ${folder} has something in it`, {
        details: { folder },
      })
    }
    await chmod(folder, 0o700)
    await writeOwner(folder)
    const storage = await serve(folder, await create(folder, 'copying'), release)
    return {
      storage,
      async complete(marker) {
        await storage.close()
        await writeMarker(folder, marker)
      },
      async discard() {
        await storage.close().catch(() => undefined)
        await removeDatabase(folder)
      },
    }
  })
}

function assertUse(folder: string, marker: Marker | undefined, wanted: 'ready' | 'backup'): void {
  if (marker === undefined || marker.state === wanted) return
  if (marker.state === 'copying') {
    const what = `The folder ${folder} holds a backup or a restore that did not come to its end, and is of no use; delete it`
    throw new AegisError('STORAGE_FORMAT', what, { details: { folder } })
  }
  if (wanted === 'backup') throw notABackup(folder, 'holds a database')
  if (marker.state === 'creating') return
  const what = `The folder ${folder} is a backup, which is never written to; restore it to another folder and open that`
  throw new AegisError('STORAGE_FORMAT', what, { details: { folder, backup: true } })
}

const notABackup = (folder: string, what: string) =>
  new AegisError('STORAGE_FORMAT', `The folder ${folder} ${what}, not a backup`, { details: { folder } })

async function serve(folder: string, opened: Opened, release: Release): Promise<Storage> {
  const { store, counter, databaseId, lossy = false, readOnly = false, unchecked } = opened
  let side: SideFile | undefined
  let check: TableCheck | undefined
  try {
    side = SideFile.open(folder, databaseId)
    const held = side
    const journal = new Journal(folder, side, counter)
    const storage = new SequencedStorage({
      store,
      databaseId,
      counter,
      readOnly,
      committed: (number, durability) => journal.committed(number, durability),
      flush: number => journal.flush(number),
      verifyFiles: options => verifyTables(folder, options),
      async release() {
        await check?.stop()
        held.close()
        await release()
      },
    })
    // The counter goes on above what was lost, so that the next open does not find the same loss again.
    if (lossy) await storage.commit([])
    if (unchecked !== undefined) check = checkTablesLater(folder, unchecked, storage)
    return storage
  } catch (error) {
    side?.close()
    await store.close()
    throw error
  }
}

async function create(folder: string, state: 'creating' | 'copying'): Promise<Opened> {
  const { databaseId } = await beginCreation(folder, state)
  const store = await openDatabase(folder, true)
  try {
    await writeIdentity(store, databaseId)
    const side = SideFile.open(folder, databaseId)
    side.write(0, 0)
    side.sync()
    side.close()
  } catch (error) {
    await store.close()
    throw error
  }
  return { store, databaseId, counter: 0 }
}

async function openExisting(folder: string, { databaseId }: Marker, allowLoss: boolean): Promise<Opened> {
  const acknowledged = SideFile.read(folder, databaseId)
  if (acknowledged === undefined) {
    process.emitWarning(
      `The commit counts beside ${folder} cannot be read; whether all acknowledged data is there is not known.`,
      { code: 'AEGIS_STORAGE_COUNTS' },
    )
  }
  const required = requiredCounter(acknowledged)
  let loss = await findLoss(folder, required)
  if (loss !== undefined && !allowLoss) throw lossError(folder, loss)
  const unchecked = allowLoss ? undefined : await assertTables(folder)
  const store = await openDatabase(folder, false)
  try {
    const counter = await readCounter(store)
    loss ??= findShortage(counter, required)
    if (loss === undefined) {
      if (allowLoss || (await readDatabaseId(store)) === databaseId)
        return { store, databaseId, counter, ...(unchecked && { unchecked }) }
      const what = `The folder ${folder} has the marker of another database (aegis.json); restore a backup`
      throw new AegisError('STORAGE_CORRUPT', what, { details: { folder } })
    }
    if (!allowLoss) throw lossError(folder, loss)
    process.emitWarning(`Opened ${folder} although data is missing: ${loss.what}`, { code: 'AEGIS_STORAGE_LOSS' })
    return { store, databaseId, counter: Math.max(counter, required), lossy: true }
  } catch (error) {
    await store.close()
    throw error
  }
}
