export {
  CdcEngine,
  Table,
  type CdcErrorCode,
  type CdcTransaction,
  type ChangeEvent,
  type ChangeSubscription,
  type Operation,
  type Row,
  type SubscribeChangesOptions,
  type TableWriter,
} from './cdc-engine.ts'
