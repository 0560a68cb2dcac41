import type { Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'

/** A row of a table of which only the name is known: any JSON object. */
export type Row = Record<string, Untyped>

/** A row as it is stored: its JSON, and what that says. */
export interface EncodedRow {
  readonly text: string
  readonly row: Row
}

/** @throws AegisError `ROW_INVALID` */
export function encodeRow(row: unknown): EncodedRow {
  let cause: unknown
  try {
    // What is stored decides: a toJSON or a dropped field must show in keys and changes as it will be read.
    const text = JSON.stringify(row) as string | undefined
    if (text?.startsWith('{') === true) return { text, row: decodeRow(text) }
  } catch (error) {
    cause = error
  }
  const shown = cause === undefined ? `a row is ${Array.isArray(row) ? 'an array' : typeof row}` : String(cause)
  throw new AegisError('ROW_INVALID', `${shown}: give an object that JSON can carry`, { cause })
}

export const decodeRow = (text: string): Row => JSON.parse(text)
