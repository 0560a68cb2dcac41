import { AegisError } from '@aegis/storage'

/** What the demo refuses with one line of text, before anything was changed. */
export type DemoErrorCode =
  /** An option is unknown, lacks its value or has one that is not allowed. */
  | 'OPTION_INVALID'
  /** The file of flights cannot be read, is not JSON or is no array. */
  | 'FLIGHTS_UNREADABLE'
  /** The data folder holds something else than this demo, or another file of flights. */
  | 'FOLDER_OTHER'
  /** The port of the page cannot be used. */
  | 'PORT_UNUSABLE'
  /** The summary cannot be written where `--json` says. */
  | 'OUTPUT_UNWRITABLE'

export function demoError(code: DemoErrorCode, message: string, cause?: unknown): AegisError {
  return new AegisError(code, message, { cause })
}

/** The message of anything thrown, on one line. */
export function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').trim()
}

/** Whether an error says in its message all that a user needs: ours, and those of the operating system. */
export function isExplained(error: unknown): boolean {
  return AegisError.is(error) || (error instanceof Error && 'syscall' in error)
}
