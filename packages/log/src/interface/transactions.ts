import type { DecidedPosition, PositionCommit } from './groups.ts'
import type { LogReader } from './reading.ts'
import type { AppendOptions, OutgoingRecord, Receipt } from './records.ts'

/** Everything done on it becomes durable and visible in one commit, or nothing does. */
export interface Transaction extends LogReader {
  append(topic: string, records: OutgoingRecord | readonly OutgoingRecord[], options?: AppendOptions): Receipt
  putState(space: string, key: Uint8Array, value: Uint8Array): void
  deleteState(space: string, key: Uint8Array): void
  /** As that of the log. */
  truncateHistory(topic: string, key: Uint8Array, before: number): void
  commitPosition(position: PositionCommit | DecidedPosition): void
  /**
   * Calls back in the turn in which the commit becomes visible, before the transaction's promise resolves; never when
   * it is refused or tried again. For those who keep in memory what the transaction has stored.
   */
  onCommit(callback: () => void): void
}

export interface TransactionOptions {
  /** How often the function is run again after `TRANSACTION_CONFLICT`. Default 5. */
  retries?: number
}
