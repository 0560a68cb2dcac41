import { AegisError, type StorageErrorCode } from './errors.ts'

const codes: Record<string, StorageErrorCode> = {
  LEVEL_CORRUPTION: 'STORAGE_CORRUPT',
  LEVEL_DATABASE_NOT_OPEN: 'STORAGE_CLOSED',
  LEVEL_ITERATOR_NOT_OPEN: 'STORAGE_CLOSED',
  LEVEL_SNAPSHOT_NOT_OPEN: 'STORAGE_CLOSED',
  LEVEL_LOCKED: 'STORAGE_LOCKED',
}

/**
 * Whether there was no room left. LevelDB gives no code for it, only the words of the operating system (strerror, in the C
 * locale, which Node.js leaves as it is).
 */
function isFull(error: Error): boolean {
  const { code } = error as { code?: unknown }
  if (code === 'LEVEL_IO_ERROR') return /No space left on device|Disk quota exceeded/.test(error.message)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** The error of a failed database operation: ours pass, others are named by the code of the innermost cause. */
export function storageFailure(error: unknown, doing: string): AegisError<StorageErrorCode> {
  if (AegisError.is<StorageErrorCode>(error)) return error
  let code: StorageErrorCode = 'STORAGE_IO'
  let reason = String(error)
  // A failed open says LEVEL_DATABASE_NOT_OPEN outside and the reason inside.
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    code = isFull(inner) ? 'STORAGE_FULL' : (codes[String((inner as { code?: unknown }).code)] ?? 'STORAGE_IO')
    reason = inner.message
  }
  return new AegisError(code, `${doing} failed: ${reason}`, { cause: error })
}

export function closedError(what: string): AegisError<'STORAGE_CLOSED'> {
  return new AegisError('STORAGE_CLOSED', `The ${what} is closed; open it again to use it`)
}
