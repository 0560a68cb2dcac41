import { randomUUID } from 'node:crypto'
import { open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'

import { AegisError } from '../errors.ts'

const name = 'aegis.json'
const format = 1
/** What may lie in a folder that is still new: left by an open that ended early. */
const early = new Set([`${name}.tmp`, 'aegis.pid'])
const madeByLevelDB = /^(CURRENT|LOG|LOG\.old|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/

/** Says that a folder is a database of ours, which one, and whether its creation was completed. */
export interface Marker {
  readonly databaseId: string
  /** While `'creating'`, no commit has been acknowledged. */
  readonly state: 'creating' | 'ready'
}

/**
 * The marker of a folder; undefined for an empty folder.
 * @throws AegisError `STORAGE_FORMAT` for a folder with other content, a newer format or a marker that cannot be read.
 */
export async function readMarker(folder: string): Promise<Marker | undefined> {
  const entries = await readdir(folder)
  if (entries.every(entry => early.has(entry))) return undefined
  if (!entries.includes(name)) {
    throw new AegisError(
      'STORAGE_FORMAT',
      `The folder ${folder} is not empty and has no ${name}, so it is not a database of ours; choose an empty folder`,
      { details: { folder } },
    )
  }
  const unreadable = (cause?: unknown) =>
    new AegisError('STORAGE_FORMAT', `${join(folder, name)} cannot be read; restore it from a backup`, { cause })
  let content: { format?: unknown; databaseId?: unknown; state?: unknown }
  try {
    content = JSON.parse(await readFile(join(folder, name), 'utf8'))
  } catch (error) {
    throw unreadable(error)
  }
  if (typeof content?.format === 'number' && content.format > format) {
    throw new AegisError(
      'STORAGE_FORMAT',
      `The folder ${folder} has format ${content.format}, this version reads up to ${format}; install a newer @aegis/storage`,
      { details: { folder, format: content.format, supported: format } },
    )
  }
  const { databaseId, state } = content ?? {}
  if (content?.format !== format || typeof databaseId !== 'string' || !/^[0-9a-f-]{36}$/.test(databaseId)) {
    throw unreadable()
  }
  if (state !== 'creating' && state !== 'ready') throw unreadable()
  return { databaseId, state }
}

/** The marker of a database that is about to be created. What an interrupted creation left of LevelDB is removed. */
export async function beginCreation(folder: string): Promise<Marker> {
  // Only with a marker of ours in it, or empty, does a folder come here, and nothing in it was ever acknowledged.
  for (const entry of await readdir(folder)) {
    if (madeByLevelDB.test(entry)) await unlink(join(folder, entry))
  }
  const marker: Marker = { databaseId: randomUUID(), state: 'creating' }
  await writeMarker(folder, marker)
  return marker
}

export function completeCreation(folder: string, marker: Marker): Promise<void> {
  return writeMarker(folder, { ...marker, state: 'ready' })
}

async function writeMarker(folder: string, { databaseId, state }: Marker): Promise<void> {
  const path = join(folder, name)
  const file = await open(`${path}.tmp`, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify({ format, databaseId, state })}\n`)
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
