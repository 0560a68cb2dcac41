import { randomUUID } from 'node:crypto'
import { open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'

import { AegisError } from '../errors.ts'

const name = 'aegis.json'
const format = 1
/** What may lie in a folder that is still new: left by an open that ended early. */
const early = new Set([`${name}.tmp`, 'aegis.pid'])
const madeByUs = /^(LOCK|aegis\.(pid|commits|json\.tmp))$/
const madeByLevelDB = /^(CURRENT|LOG|LOG\.old|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/

/** Says that a folder is a database of ours, which one, and what it is good for. */
export interface Marker {
  readonly databaseId: string
  /**
   * `'creating'`: no commit has been acknowledged. `'copying'`: a backup or a restore has begun, and ended early if it is
   * not under way. `'ready'`: a database. `'backup'`: whole, and only for reading.
   */
  readonly state: MarkerState
  /** Of a backup. */
  readonly origin?: BackupOrigin
}

const states = ['creating', 'copying', 'ready', 'backup'] as const
export type MarkerState = (typeof states)[number]

/** Where a backup comes from. */
export interface BackupOrigin {
  /** Of the database that was backed up. */
  readonly databaseId: string
  /** ISO 8601. */
  readonly createdAt: string
}

const isState = (state: unknown): state is MarkerState => states.some(known => known === state)
const isId = (id: unknown): id is string => typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id)

/** Whether nothing of value is in a folder. */
export async function isEmptyFolder(folder: string): Promise<boolean> {
  return (await readdir(folder)).every(entry => early.has(entry))
}

/**
 * The marker of a folder; undefined for an empty folder.
 * @throws AegisError `STORAGE_FORMAT` for a folder with other content, a newer format or a marker that cannot be read.
 */
export async function readMarker(folder: string): Promise<Marker | undefined> {
  if (await isEmptyFolder(folder)) return undefined
  let content: { format?: unknown; databaseId?: unknown; state?: unknown; origin?: Partial<BackupOrigin> }
  try {
    content = JSON.parse(await readFile(join(folder, name), 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(folder, error)
    throw new AegisError(
      'STORAGE_FORMAT',
      `The folder ${folder} is not empty and has no ${name}, so it is not a database of ours; choose an empty folder`,
      { details: { folder } },
    )
  }
  if (typeof content?.format === 'number' && content.format > format) {
    throw new AegisError(
      'STORAGE_FORMAT',
      `The folder ${folder} has format ${content.format}, this version reads up to ${format}; install a newer @aegis/storage`,
      { details: { folder, format: content.format, supported: format } },
    )
  }
  const { databaseId, state, origin } = content ?? {}
  if (content?.format !== format || !isId(databaseId) || !isState(state)) throw unreadable(folder)
  if (state !== 'backup') return { databaseId, state }
  if (!isId(origin?.databaseId) || typeof origin.createdAt !== 'string') throw unreadable(folder)
  return { databaseId, state, origin: { databaseId: origin.databaseId, createdAt: origin.createdAt } }
}

const unreadable = (folder: string, cause?: unknown) =>
  new AegisError('STORAGE_FORMAT', `${join(folder, name)} cannot be read; restore it from a backup`, { cause })

/** The marker of a database that is about to be created. What an interrupted creation left of LevelDB is removed. */
export async function beginCreation(folder: string, state: 'creating' | 'copying'): Promise<Marker> {
  // Only with a marker of ours in it, or empty, does a folder come here, and nothing in it was ever acknowledged.
  for (const entry of await readdir(folder)) {
    if (madeByLevelDB.test(entry)) await unlink(join(folder, entry))
  }
  const marker: Marker = { databaseId: randomUUID(), state }
  await writeMarker(folder, marker)
  return marker
}

/** Removes all files of ours and of LevelDB, and nothing else; the marker last, as long as it is there the rest is known. */
export async function removeDatabase(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (madeByLevelDB.test(entry) || madeByUs.test(entry)) await unlink(join(folder, entry))
  }
  await unlink(join(folder, name))
}

/** Takes the place of the marker that is there, whole or not at all, and durably. */
export async function writeMarker(folder: string, marker: Marker): Promise<void> {
  const path = join(folder, name)
  const file = await open(`${path}.tmp`, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify({ format, ...marker })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.tmp`, path)
  await syncFolder(folder)
}

/** Makes new names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows neither needs nor allows it.
  if (process.platform === 'win32') return
  const descriptor = await open(folder, 'r')
  try {
    await descriptor.sync()
  } finally {
    await descriptor.close()
  }
}
