import type { Log } from '@aegis/log'
import type { LogStatus } from './status.ts'

/** A log on a cluster. */
export interface ClusterLog extends Log {
  /** Changes of the connection from now on; ends when the log is closed. */
  status(): AsyncIterable<LogStatus>
}
