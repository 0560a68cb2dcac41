/** What can go wrong in `@aegis/cdc`, besides what the log throws. */
export type CdcErrorCode =
  /** A row with this primary key exists: update or upsert it. */
  | 'ROW_EXISTS'
  /** No row has this primary key: insert or upsert it. */
  | 'ROW_UNKNOWN'
  /** A row is not a JSON object, or its primary key is not a finite number or well-formed text of at most 4,000 bytes. */
  | 'ROW_INVALID'
  /** A row is larger than its table's `maxRowSize`. */
  | 'ROW_TOO_LARGE'
  /** The table exists with other settings. */
  | 'TABLE_EXISTS'
  /** No table has this name: make it with `table(name, { primaryKey })`. */
  | 'TABLE_UNKNOWN'
  /** An option or table name is not allowed. */
  | 'CDC_INVALID'
  /** Used after `close()`. */
  | 'CDC_CLOSED'
