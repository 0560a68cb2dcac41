export { CdcEngine, type CdcOptions, type CdcTransaction } from './cdc-engine.ts'
export type {
  ChangeEvent,
  ChangeFields,
  DeleteChange,
  InsertChange,
  Operation,
  TruncateChange,
  UpdateChange,
} from './change.ts'
export type { ChangeSubscription, DeliveredChange, SubscribeChangesOptions } from './changes.ts'
export type { CdcErrorCode } from './errors.ts'
export type { PrimaryKey } from './primary-key.ts'
export type { Row } from './row.ts'
export { Table } from './table.ts'
export type { TableOptions } from './table-definition.ts'
export type { TableOperations } from './table-operations.ts'
