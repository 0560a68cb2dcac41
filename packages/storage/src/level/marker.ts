import { open, readdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AegisError } from '../errors.ts'

const format = 1

export interface Marker {
  readonly format: number
  /** False from the first file on until LevelDB has made its own: a crash between them loses nothing. */
  readonly complete: boolean
}

/** Replaces the marker file in one step. */
export async function writeMarker(dataDir: string, marker: Marker): Promise<void> {
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
    if (Number.isInteger(marker.format)) return marker
  } catch {
    // Said below, with what to do.
  }
  throw new AegisError('STORAGE_FORMAT', `aegis.json of ${dataDir} is not readable: restore a backup`)
}

/**
 * Tells a new folder from a database that lost something, before LevelDB sees it; marks a new one.
 * @throws AegisError `STORAGE_FORMAT`, `STORAGE_LOSS`
 */
export async function checkFolder(dataDir: string): Promise<Marker> {
  const found = await readMarker(dataDir)
  if (found === undefined) {
    const others = (await readdir(dataDir)).filter(name => !['owner', 'guard.sock', 'aegis.json.new'].includes(name))
    if (others.length > 0) {
      throw new AegisError('STORAGE_FORMAT', `the folder ${dataDir} is not empty and not a database of Aegis: give another one`)
    }
    const marker = { format, complete: false }
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
