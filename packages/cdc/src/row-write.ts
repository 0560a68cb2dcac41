import { AegisError } from '@aegis/storage'
import type { RowChange } from './change.ts'
import type { CdcErrorCode } from './errors.ts'
import { encodeKey, type PrimaryKey } from './primary-key.ts'
import { decodeRow, type EncodedRow, encodeRow } from './row.ts'
import type { TableState } from './table-state.ts'

/** A write of one row as it was asked for. */
export type RowWrite =
  | { readonly op: 'insert'; readonly row: EncodedRow }
  | { readonly op: 'upsert'; readonly row: EncodedRow }
  | { readonly op: 'update'; readonly key: PrimaryKey; readonly patch: EncodedRow }
  | { readonly op: 'delete'; readonly key: PrimaryKey }

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** The primary key of the row that is written. @throws AegisError `ROW_INVALID` */
export function keyOf(write: RowWrite, table: string, { primaryKey }: TableState): PrimaryKey {
  if (write.op === 'update' || write.op === 'delete') return write.key
  const { row } = write.row
  if (Object.hasOwn(row, primaryKey)) return row[primaryKey]
  throw new AegisError('ROW_INVALID', `a row for table ${table} has no ${primaryKey}, its primary key: give it one`)
}

/**
 * The change that a write makes of the row that is there.
 * @throws AegisError `ROW_EXISTS`, `ROW_UNKNOWN`, `ROW_INVALID`, `ROW_TOO_LARGE`
 */
export function changeOf(write: RowWrite, oldText: string | undefined, table: string, state: TableState): RowChange {
  const key = keyOf(write, table, state)
  const fail = (code: CdcErrorCode, text: string): never => {
    throw new AegisError(code, `row ${JSON.stringify(key)} of table ${table} ${text}`, { details: { table, key } })
  }
  const sized = (text: string): string => {
    const size = Buffer.byteLength(text)
    if (size <= state.maxRowSize) return text
    return fail('ROW_TOO_LARGE', `has ${size} bytes: the table's maxRowSize is ${state.maxRowSize}`)
  }
  if (write.op === 'insert' || write.op === 'upsert') {
    if (oldText === undefined) return { op: 'insert', key, newText: sized(write.row.text) }
    if (write.op === 'insert') return fail('ROW_EXISTS', 'is there already: update or upsert it')
    return { op: 'update', key, oldText, newText: sized(write.row.text) }
  }
  if (oldText === undefined) return fail('ROW_UNKNOWN', 'is not there: insert or upsert it')
  if (write.op === 'delete') return { op: 'delete', key, oldText }
  const { row, text } = encodeRow({ ...decodeRow(oldText), ...write.patch.row })
  if (!same(encodeKey(row[state.primaryKey]), encodeKey(key))) {
    return fail('ROW_INVALID', 'cannot change its primary key: delete it and insert another')
  }
  return { op: 'update', key, oldText, newText: sized(text) }
}
