import { AegisError } from './errors.ts'
import type { Marker } from './level/marker.ts'
import { ScanProgress } from './scan-progress.ts'
import type { Progress, ScanOptions, Storage } from './storage.ts'

export interface BackupOptions extends ScanOptions {
  /** The folder of the backup: a new or an empty one. */
  to: string
}

export interface RestoreOptions extends ScanOptions {
  /** The folder of a backup. */
  from: string
  /** The folder of the new database: a new or an empty one. */
  to: string
}

/** What was copied. */
export interface CopyResult {
  readonly entries: number
  /** Of keys and values. */
  readonly bytes: number
  /** Of the database that was backed up. */
  readonly origin: string
}

/** A backup, opened for reading. */
export interface OpenBackup {
  /** Refuses every write with `STORAGE_READ_ONLY`. */
  readonly storage: Storage
  /** Id of the database that was backed up. */
  readonly origin: string
  /** When, in milliseconds since the epoch. */
  readonly createdAt: number
}

/** What comparing the tables takes of a copy, roughly. */
const tablesPart = 0.1

/**
 * Copies a storage, as it is at this moment, to a folder, while it is read and written on. Every table is compared with its
 * checksums first, for what damage hides would be missing in the backup without a word, and every value on the way.
 *
 * The backup is a folder of its own, durable when the promise resolves, with a marker that keeps it from being opened as a
 * database: restore it. When the backup fails its folder is emptied; when the process dies in the middle, what it leaves
 * is recognised, and refused by all.
 * @throws AegisError `STORAGE_INVALID` when `to` is not empty, `STORAGE_CORRUPT` when something is damaged, `STORAGE_IO`
 */
export async function backupStorage(storage: Storage, options: BackupOptions): Promise<CopyResult> {
  const origin = { databaseId: storage.databaseId, createdAt: new Date().toISOString() }
  return copy(storage, options, databaseId => ({ databaseId, state: 'backup', origin }), storage.databaseId)
}

/**
 * Makes a database of a backup. It gets an id of its own, so that nobody takes it for the one that was backed up: what was
 * committed after the backup is not there.
 * @throws AegisError `STORAGE_FORMAT` when `from` is not a whole backup, `STORAGE_INVALID` when `to` is not empty,
 * `STORAGE_LOSS` or `STORAGE_CORRUPT` when the backup is damaged, `STORAGE_IO`
 */
export async function restoreBackup(options: RestoreOptions): Promise<CopyResult> {
  const { storage, origin } = await openBackup(options.from)
  try {
    return await copy(storage, options, databaseId => ({ databaseId, state: 'ready' }), origin)
  } finally {
    await storage.close()
  }
}

/**
 * Opens a backup for reading: to verify it, or to look into it.
 * @throws AegisError `STORAGE_FORMAT` when the folder is not a whole backup, and as `openLevel`
 */
export async function openBackup(folder: string): Promise<OpenBackup> {
  checkFolder('The folder of the backup', folder)
  const { openBackupFolder } = await import('./level/open-folder.ts')
  const { storage, origin } = await openBackupFolder(folder)
  return { storage, origin: origin.databaseId, createdAt: Date.parse(origin.createdAt) }
}

async function copy(
  source: Storage,
  { to, onProgress, signal }: BackupOptions,
  marked: (databaseId: string) => Marker,
  origin: string,
): Promise<CopyResult> {
  checkFolder('to', to)
  signal?.throwIfAborted()
  await assertSound(source, onProgress, signal)
  const { createCopy } = await import('./level/open-folder.ts')
  const target = await createCopy(to)
  const progress = new ScanProgress(source, onProgress, tablesPart)
  try {
    await copyEntries(source, target.storage, progress, signal)
    await target.storage.flush()
  } catch (error) {
    await target.discard()
    throw error
  }
  await target.complete(marked(target.storage.databaseId))
  progress.done()
  return { entries: progress.entries, bytes: progress.bytes, origin }
}

async function assertSound(
  source: Storage,
  onProgress: ScanOptions['onProgress'],
  signal: AbortSignal | undefined,
): Promise<void> {
  const scaled = (progress: Progress): void => onProgress?.({ ...progress, fraction: progress.fraction * tablesPart })
  const { damage } = await source.verify({ values: false, onProgress: scaled, ...(signal && { signal }) })
  const [first] = damage
  if (first === undefined) return
  const { file, offset, reason } = first
  const what = `The storage is damaged, in ${file} at byte ${offset}: ${reason}. A backup of it would lack what the damage hides; keep the earlier ones.`
  throw new AegisError('STORAGE_CORRUPT', what, { details: { ...first } })
}

/** One chunk is read while the one before it is written. */
async function copyEntries(
  source: Storage,
  target: Storage,
  progress: ScanProgress,
  signal: AbortSignal | undefined,
): Promise<void> {
  await using snapshot = source.snapshot()
  let writing: Promise<void> | undefined
  try {
    for await (const chunk of snapshot.range()) {
      signal?.throwIfAborted()
      await writing
      const operations = chunk.map(([key, value]) => ({ type: 'put', key, value }) as const)
      writing = target.commit(operations, { durability: 'buffered' })
      // It is awaited with the next chunk; until then a failure must not count as unhandled.
      writing.catch(() => undefined)
      const bytes = chunk.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
      await progress.reached(chunk.at(-1)![0], chunk.length, bytes)
    }
  } finally {
    await writing
  }
}

function checkFolder(name: string, folder: unknown): void {
  if (typeof folder === 'string' && folder !== '') return
  throw new AegisError('STORAGE_INVALID', `${name} must be the path of a folder, not ${String(folder)}`)
}
