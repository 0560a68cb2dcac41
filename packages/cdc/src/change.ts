import type { LogRecord, Untyped } from '@aegis/log'
import type { PrimaryKey } from './primary-key.ts'

/** What was done to a table; `op` as Debezium calls it. */
export type Operation = 'insert' | 'update' | 'delete' | 'truncate'

export const operations: readonly Operation[] = ['insert', 'update', 'delete', 'truncate']

/** What every change says. */
export interface ChangeFields {
  readonly table: string
  /** Rises over all changes of the table; need not be dense. */
  readonly position: number
  /** When it was committed, milliseconds since the epoch. */
  readonly timestamp: number
  /** The same for all changes of one transaction, over all tables. */
  readonly transactionId: string
}

type Old<R, Included extends boolean> = Included extends true ? { readonly oldRow: R } : { readonly oldRow?: undefined }

export type InsertChange<R> = ChangeFields & {
  readonly op: 'insert'
  readonly key: PrimaryKey
  readonly newRow: R
  readonly oldRow?: undefined
}
export type UpdateChange<R, Included extends boolean = true> = ChangeFields &
  Old<R, Included> & { readonly op: 'update'; readonly key: PrimaryKey; readonly newRow: R }
export type DeleteChange<R, Included extends boolean = true> = ChangeFields &
  Old<R, Included> & { readonly op: 'delete'; readonly key: PrimaryKey; readonly newRow?: undefined }
/** All rows are gone; one change, whatever their number. */
export type TruncateChange = ChangeFields & {
  readonly op: 'truncate'
  readonly key: null
  readonly newRow?: undefined
  readonly oldRow?: undefined
}

/** A change as it was committed, told apart by `op`; `oldRow` is there with `includeOldValues`. */
export type ChangeEvent<R = Untyped, Included extends boolean = true> =
  | InsertChange<R>
  | UpdateChange<R, Included>
  | DeleteChange<R, Included>
  | TruncateChange

/** Rows as the JSON that is stored, so that nothing is encoded twice. */
export interface RowChange {
  readonly op: Operation
  readonly key: PrimaryKey | null
  readonly oldText?: string | undefined
  readonly newText?: string | undefined
}

/** The value of a change's record. */
export function encodeChange({ op, key, oldText, newText }: RowChange, transactionId: string): Uint8Array {
  const old = oldText === undefined ? '' : `,"oldRow":${oldText}`
  const now = newText === undefined ? '' : `,"newRow":${newText}`
  return Buffer.from(
    `{"op":"${op}","key":${JSON.stringify(key)}${old}${now},"transactionId":${JSON.stringify(transactionId)}}`,
  )
}

/** The change in a record of a table's topic. */
export function decodeChange<R>(table: string, { value, offset, timestamp }: LogRecord): ChangeEvent<R> {
  const change = JSON.parse(Buffer.from(value!).toString('utf8'))
  return { ...change, table, position: offset, timestamp }
}
