export type { ClusterLog } from './cluster-log.ts'
export { type ConnectLogOptions, connectLog } from './connect.ts'
export type { JetStreamErrorCode } from './errors.ts'
export type { LogStatus } from './status.ts'
