import { AegisError } from '@aegis/storage'
import {
  type ExpectedStreamVersion,
  ExpectedVersionConflictError,
  NO_CONCURRENCY_CHECK,
  STREAM_DOES_NOT_EXIST,
  STREAM_EXISTS,
} from '@event-driven-io/emmett'
import type { ExpectedVersion } from '../appending/expected-version.ts'
import { invalid } from '../invalid.ts'

/** Emmett counts the positions of a stream from 1; 0 is a stream without events. */
export const positionOf = (version: number): bigint => BigInt(version) + 1n

/** @throws AegisError `EVENT_INVALID` */
export function numberOf(option: string, value: bigint): number {
  if (typeof value === 'bigint' && value >= 0n && value <= Number.MAX_SAFE_INTEGER) return Number(value)
  throw invalid(`${option} ${String(value)}: give a bigint from 0n`)
}

/** The version of the event at a position of Emmett's; -1 for 0. @throws AegisError `EVENT_INVALID` */
export const versionOf = (option: string, position: bigint): number => numberOf(option, position) - 1

/** @throws AegisError `EVENT_INVALID` */
export function expectationOf(expected: ExpectedStreamVersion = NO_CONCURRENCY_CHECK): ExpectedVersion {
  if (expected === NO_CONCURRENCY_CHECK) return 'any'
  if (expected === STREAM_DOES_NOT_EXIST) return 'no-stream'
  if (expected === STREAM_EXISTS) return 'stream-exists'
  return versionOf('expectedStreamVersion', expected as bigint)
}

/** Has Emmett's own error for a version that was not as expected, with which its command handlers try again. */
export async function withEmmettConflicts<T>(
  expected: ExpectedStreamVersion | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!AegisError.is(error, 'VERSION_CONFLICT')) throw error
    const { actual } = error.details
    const conflict = new ExpectedVersionConflictError(
      typeof actual === 'number' ? positionOf(actual) : 0n,
      expected ?? NO_CONCURRENCY_CHECK,
    )
    conflict.cause = error
    throw conflict
  }
}
