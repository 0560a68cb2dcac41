export {
  CdcEngine,
  type CdcErrorCode,
  type CdcTransaction,
  type ChangeEvent,
  type ChangeSubscription,
  type Operation,
  type Row,
  type SubscribeChangesOptions,
  Table,
  type TableWriter,
} from './cdc-engine.ts'
