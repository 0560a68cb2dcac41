import { AegisError } from '@aegis/storage'
import { invalid } from '../invalid.ts'

/**
 * What a stream must be at for an append: `'any'` (no check), `'no-stream'` (nothing was ever appended),
 * `'stream-exists'`, or the version of its last event. `-1`, the version of an aggregate without events, is `'no-stream'`.
 */
export type ExpectedVersion = 'any' | 'no-stream' | 'stream-exists' | number

/** @throws AegisError `EVENT_INVALID` */
export function checkedExpectation(expected: ExpectedVersion = 'any'): ExpectedVersion {
  if (expected === -1) return 'no-stream'
  if (typeof expected === 'number' && Number.isSafeInteger(expected) && expected >= 0) return expected
  if (expected === 'any' || expected === 'no-stream' || expected === 'stream-exists') return expected
  throw invalid(
    `expectedVersion ${typeof expected === 'number' ? expected : JSON.stringify(expected)}: give 'any', 'no-stream', 'stream-exists' or a version from 0`,
  )
}

export function conflict(streamId: string, expected: ExpectedVersion, actual: unknown, cause?: unknown): AegisError {
  return new AegisError(
    'VERSION_CONFLICT',
    `stream ${streamId} is at ${String(actual)}, expected ${expected}: load it again and decide anew`,
    { cause, details: { streamId, expected, actual } },
  )
}

/** @param last Version of the stream's last event, `undefined` when there is none. @throws AegisError `VERSION_CONFLICT` */
export function checkVersion(streamId: string, expected: ExpectedVersion, last: number | undefined): void {
  if (expected === 'any') return
  const actual = last ?? 'no-stream'
  const holds = expected === 'stream-exists' ? last !== undefined : actual === expected
  if (!holds) throw conflict(streamId, expected, actual)
}
