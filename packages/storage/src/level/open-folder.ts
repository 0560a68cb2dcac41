import { chmod, mkdir, readFile, realpath, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { AegisError } from '../errors.ts'
import { readCounter, writeIdentity } from '../identity.ts'
import { SequencedStorage } from '../sequenced-storage.ts'
import type { Storage } from '../storage.ts'
import { storageFailure } from '../storage-failure.ts'
import type { Store } from '../store.ts'
import { openDatabase } from './database.ts'
import { holdFolder } from './guard.ts'
import { Journal } from './journal.ts'
import { findLoss, findShortage, lossError, requiredCounter } from './loss.ts'
import { beginCreation, completeCreation, type Marker, readMarker } from './marker.ts'
import { SideFile } from './side-file.ts'

const ownerFile = 'aegis.pid'

/** Opens or creates the database of a folder: guard, marker, logs, LevelDB, counter, in this order. */
export async function openFolder(dataDir: string, allowLoss: boolean): Promise<Storage> {
  let letGo: (() => Promise<void>) | undefined
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const folder = await realpath(dataDir)
    letGo = await holdFolder(folder)
    if (letGo === undefined) throw await lockedError(folder)
    return await openHeld(folder, allowLoss, letGo)
  } catch (error) {
    if (letGo !== undefined) {
      await unlink(join(dataDir, ownerFile)).catch(() => undefined)
      await letGo()
    }
    throw storageFailure(error, `Opening ${dataDir}`)
  }
}

async function openHeld(folder: string, allowLoss: boolean, letGo: () => Promise<void>): Promise<Storage> {
  const marker = await readMarker(folder)
  // LevelDB makes its files readable for everyone, so the folder keeps others out.
  if (marker === undefined) await chmod(folder, 0o700)
  // For the message of a second opener only; the guard decides.
  await writeFile(join(folder, ownerFile), `${process.pid}\n`, { mode: 0o600 })
  const opened = marker?.state === 'ready' ? await openExisting(folder, marker, allowLoss) : await create(folder)
  const { store, counter, databaseId } = opened
  let side: SideFile | undefined
  try {
    side = SideFile.open(folder, databaseId)
    const journal = new Journal(folder, side, counter)
    const held = side
    const release = async () => {
      held.close()
      await unlink(join(folder, ownerFile)).catch(() => undefined)
      await letGo()
    }
    const storage = new SequencedStorage({
      store,
      databaseId,
      counter,
      committed: (number, durability) => journal.committed(number, durability),
      flush: number => journal.flush(number),
      release,
    })
    // The counter goes on above what was lost, so that the next open does not find the same loss again.
    if (opened.lossy) await storage.commit([])
    return storage
  } catch (error) {
    side?.close()
    await store.close()
    throw error
  }
}

interface Opened {
  readonly store: Store
  readonly databaseId: string
  readonly counter: number
  readonly lossy: boolean
}

async function create(folder: string): Promise<Opened> {
  const marker = await beginCreation(folder)
  const store = await openDatabase(folder, true)
  try {
    await writeIdentity(store, marker.databaseId)
    const side = SideFile.open(folder, marker.databaseId)
    side.write(0, 0)
    side.sync()
    side.close()
    await completeCreation(folder, marker)
  } catch (error) {
    await store.close()
    throw error
  }
  return { store, databaseId: marker.databaseId, counter: 0, lossy: false }
}

async function openExisting(folder: string, { databaseId }: Marker, allowLoss: boolean): Promise<Opened> {
  const acknowledged = SideFile.read(folder, databaseId)
  if (acknowledged === undefined) {
    process.emitWarning(
      `The commit counts beside ${folder} cannot be read; whether all acknowledged data is there is not known.`,
      {
        code: 'AEGIS_STORAGE_COUNTS',
      },
    )
  }
  const required = requiredCounter(acknowledged)
  let loss = await findLoss(folder, required)
  if (loss !== undefined && !allowLoss) throw lossError(folder, loss)
  const store = await openDatabase(folder, false)
  try {
    const counter = await readCounter(store)
    loss ??= findShortage(counter, required)
    if (loss === undefined) return { store, databaseId, counter, lossy: false }
    if (!allowLoss) throw lossError(folder, loss)
    process.emitWarning(`Opened ${folder} although data is missing: ${loss.what}`, { code: 'AEGIS_STORAGE_LOSS' })
    return { store, databaseId, counter: Math.max(counter, required), lossy: true }
  } catch (error) {
    await store.close()
    throw error
  }
}

async function lockedError(folder: string): Promise<AegisError<'STORAGE_LOCKED'>> {
  const owner = Number.parseInt(await readFile(join(folder, ownerFile), 'utf8').catch(() => ''), 10)
  const what =
    owner === process.pid
      ? `The folder ${folder} is already open in this process (${owner}). Open it once and give it to both users.`
      : `The folder ${folder} is open in ${Number.isNaN(owner) ? 'another process' : `process ${owner}`}. ` +
        'One folder belongs to one process: close it there, or use another folder.'
  return new AegisError('STORAGE_LOCKED', what, {
    details: { folder, processId: Number.isNaN(owner) ? undefined : owner },
  })
}
