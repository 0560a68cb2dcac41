/**
 * The error of every Aegis package: `code` is stable and documented in `docs/errors.md`,
 * the message names the thing and says what to do, `cause` holds the original, `details` the facts.
 */
export class AegisError<Code extends string = string> extends Error {
  override readonly name = 'AegisError'
  readonly code: Code
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: Code, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  /** Works across duplicate copies of a package, where `instanceof` does not. */
  static is<Code extends string = string>(error: unknown, code?: Code): error is AegisError<Code> {
    return (
      error instanceof Error &&
      error.name === 'AegisError' &&
      (code === undefined || (error as AegisError).code === code)
    )
  }
}

/** What can go wrong in `@aegis/storage`. */
export type StorageErrorCode =
  /** The folder is open in this or another process. */
  | 'STORAGE_LOCKED'
  /** Acknowledged data is missing. */
  | 'STORAGE_LOSS'
  /** A value or a table does not have its checksum, or LevelDB reports damage. Restore a backup. */
  | 'STORAGE_CORRUPT'
  /** An earlier write failed; reads go on, writing takes a reopen. */
  | 'STORAGE_FENCED'
  /** It is a backup, opened for reading. */
  | 'STORAGE_READ_ONLY'
  /** Used after `close()`. */
  | 'STORAGE_CLOSED'
  /** The folder is not a database of ours, or of a newer format, or a backup where a database is wanted. */
  | 'STORAGE_FORMAT'
  /** The disk is full. Nothing acknowledged is lost: free space, and open again. */
  | 'STORAGE_FULL'
  /** The operating system refused: no permission, a broken disk. */
  | 'STORAGE_IO'
  /** An argument or option is not allowed. */
  | 'STORAGE_INVALID'
