import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CheckedStorage, type BinaryLevel } from './checked-storage.ts'
import { AegisError } from './errors.ts'
import { guardFolder } from './folder-guard.ts'
import type { Storage } from './storage.ts'

const format = 1

interface Marker {
  readonly format: number
  readonly databaseId: string
  /** False from the first file on until LevelDB has made its own: a crash between them loses nothing. */
  readonly complete: boolean
}

async function writeMarker(dataDir: string, marker: Marker): Promise<void> {
  const path = join(dataDir, 'aegis.json')
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(JSON.stringify(marker))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}

async function readMarker(dataDir: string): Promise<Marker | undefined> {
  const text = await readFile(join(dataDir, 'aegis.json'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new AegisError('STORAGE_IO', `aegis.json of ${dataDir} could not be read`, { cause: error })
  })
  if (text === undefined) return undefined
  try {
    const marker = JSON.parse(text) as Marker
    if (Number.isInteger(marker.format) && typeof marker.databaseId === 'string') return marker
  } catch {
    // Said below, with what to do.
  }
  throw new AegisError('STORAGE_FORMAT', `aegis.json of ${dataDir} is not readable: restore a backup`)
}

async function checkFolder(dataDir: string): Promise<Marker> {
  const found = await readMarker(dataDir)
  if (found === undefined) {
    const others = (await readdir(dataDir)).filter(name => !['owner', 'guard.sock', 'aegis.json.new'].includes(name))
    if (others.length > 0) {
      throw new AegisError('STORAGE_FORMAT', `the folder ${dataDir} is not empty and not a database of Aegis: give another one`)
    }
    const marker = { format, databaseId: randomUUID(), complete: false }
    await writeMarker(dataDir, marker)
    return marker
  }
  if (found.format > format) {
    throw new AegisError('STORAGE_FORMAT', `the folder ${dataDir} has format ${found.format}, this version reads up to ${format}: use a newer one`)
  }
  const current = await stat(join(dataDir, 'CURRENT')).catch(() => undefined)
  if (found.complete && (current === undefined || current.size === 0)) {
    throw new AegisError('STORAGE_LOSS', `CURRENT is missing or empty in ${dataDir}: restore a backup; nothing was changed`)
  }
  return found
}

async function openDatabase(dataDir: string, released: () => Promise<void>): Promise<Storage> {
  const marker = await checkFolder(dataDir)
  const { ClassicLevel } = await import('classic-level')
  const level = new ClassicLevel<Uint8Array, Uint8Array>(dataDir, { keyEncoding: 'view', valueEncoding: 'view' })
  try {
    // Creating is for new folders only: LevelDB would empty an old one that lost its CURRENT.
    const sizes = { writeBufferSize: 64 * 2 ** 20, maxFileSize: 64 * 2 ** 20 }
    await level.open({ createIfMissing: !marker.complete, ...sizes })
  } catch (error) {
    const cause = (error as Error).cause
    const code = (cause as { code?: string } | undefined)?.code === 'LEVEL_CORRUPTION' ? 'STORAGE_CORRUPT' : 'STORAGE_IO'
    throw new AegisError(code, `LevelDB could not open ${dataDir}: ${String(cause ?? error)}`, { cause: error })
  }
  if (!marker.complete) await writeMarker(dataDir, { ...marker, complete: true })
  return new CheckedStorage(level as unknown as BinaryLevel, marker.databaseId, released)
}

/**
 * Opens the LevelDB database of a folder, and makes it in an empty or missing one. One folder belongs to one opener.
 * @throws AegisError `STORAGE_LOCKED`, `STORAGE_FORMAT`, `STORAGE_LOSS`, `STORAGE_CORRUPT`, `STORAGE_IO`
 */
export async function openLevel({ dataDir }: { dataDir: string }): Promise<Storage> {
  const folder = resolve(dataDir)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const release = await guardFolder(folder)
  try {
    return await openDatabase(folder, release)
  } catch (error) {
    await release()
    throw error
  }
}
