import type { Untyped } from '@aegis/log'
import type { PrimaryKey } from './primary-key.ts'

/** What can be done with the rows of a table, at once or inside a transaction. */
export interface TableOperations<R extends object = Untyped> {
  /** @throws AegisError `ROW_EXISTS`, `ROW_INVALID`, `ROW_TOO_LARGE`, `TABLE_UNKNOWN` */
  insert(row: R): Promise<void>
  /**
   * Replaces the fields of the patch; the others and the primary key stay.
   * @throws AegisError `ROW_UNKNOWN`, `ROW_INVALID`, `ROW_TOO_LARGE`, `TABLE_UNKNOWN`
   */
  update(key: PrimaryKey, patch: Partial<R>): Promise<void>
  /** Inserts the row, or replaces the one with its primary key. @throws AegisError `ROW_INVALID`, `ROW_TOO_LARGE`, `TABLE_UNKNOWN` */
  upsert(row: R): Promise<void>
  /** @throws AegisError `ROW_UNKNOWN`, `TABLE_UNKNOWN` */
  delete(key: PrimaryKey): Promise<void>
  /** Deletes all rows, whatever their number, in one commit and with one change. */
  truncate(): Promise<void>
  get(key: PrimaryKey): Promise<R | undefined>
  /** All rows by primary key: numbers by value, then strings by code point. */
  scan(): AsyncIterable<R>
}
