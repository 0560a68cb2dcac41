import { AegisError } from '@aegis/storage'

/** A time as `timestampBy` may give it: milliseconds since the epoch, a Date, or an ISO 8601 text; without a zone it is UTC. */
export type EventTime = number | Date | string

// Dates of 1 BC and before, and after 9999, have a sign and six digits.
const iso = /^(?:\d{4}|[+-]\d{6})-\d\d(?:-\d\d(?:([T ])\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?$/

function parseIso(text: string): number {
  const match = iso.exec(text)
  if (match === null) return Number.NaN
  // JavaScript reads a time without a zone as local time: the result would depend on the machine.
  const zoned = match[1] !== undefined && match[2] === undefined ? `${text}Z` : text
  return Date.parse(zoned.replace(' ', 'T'))
}

/**
 * Whole milliseconds since the epoch, rounded down.
 * @throws AegisError `TIMESTAMP_INVALID`
 */
export function toMilliseconds(time: unknown): number {
  const value = typeof time === 'string' ? parseIso(time) : time instanceof Date ? time.getTime() : time
  if (typeof value === 'number' && Math.abs(value) <= maxTime) return Math.floor(value) + 0
  const shown =
    time instanceof Date ? 'an invalid Date' : typeof time === 'string' ? JSON.stringify(time) : String(time)
  throw new AegisError(
    'TIMESTAMP_INVALID',
    `a timestamp is ${shown}: give milliseconds since the epoch, a Date, or an ISO 8601 text`,
  )
}

/** The range of JavaScript's Date, in both directions. */
export const maxTime = 8.64e15
