import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { type Delivered, Subscription, type SubscriptionOptions } from '@aegis/subscription'
import { type ChangeEvent, decodeChange, type Operation, operations } from './change.ts'
import { readState, topicOf } from './table-state.ts'

export interface SubscribeChangesOptions extends Omit<SubscriptionOptions, 'from'> {
  /** Default: all. */
  operations?: readonly Operation[]
  /** Whether changes have `oldRow`. Default false. */
  includeOldValues?: boolean
  /**
   * Where to start when the group has no position. Default `'latest'`; `position` is the first one wanted, `time` that
   * of committing, milliseconds since the epoch.
   */
  from?: 'latest' | 'earliest' | { readonly position: number } | { readonly time: number }
}

/** A change as it is delivered: with `attempts`, `ack()` and `nack()`, which do nothing without a group. */
export type DeliveredChange<R, Included extends boolean = true> = ChangeEvent<R, Included> & Delivered

/** Changes of a table, in the order of their commits. */
export type ChangeSubscription<R, Included extends boolean = true> = Subscription<DeliveredChange<R, Included>>

/**
 * Follows a table's changes. The start is fixed when it resolves. What the filter leaves out is acknowledged.
 * @throws AegisError `TABLE_UNKNOWN`, `CDC_INVALID`, `SUBSCRIPTION_INVALID`
 */
export async function subscribeToChanges<R extends object>(
  log: Log,
  table: string,
  options: SubscribeChangesOptions,
  bufferSize: number,
): Promise<ChangeSubscription<R, boolean>> {
  const { operations: wanted, includeOldValues = false, from = 'latest', ...rest } = options
  for (const op of wanted ?? []) {
    if (!operations.includes(op))
      throw new AegisError('CDC_INVALID', `operation ${op}: give some of ${operations.join(', ')}`)
  }
  await readState(log, table)
  return Subscription.open<DeliveredChange<R, boolean>>(
    log,
    topicOf(table),
    (record, { attempts, ack, nack, extend }) => {
      const { oldRow, ...change } = decodeChange<R>(table, record)
      if (wanted !== undefined && !wanted.includes(change.op)) return undefined
      const old = includeOldValues && oldRow !== undefined ? { oldRow } : {}
      return { ...change, ...old, attempts, ack, nack, extend } as DeliveredChange<R, boolean>
    },
    {
      maxPollRecords: Math.min(bufferSize, 10_000),
      ...rest,
      from: typeof from === 'object' && 'position' in from ? { offset: from.position } : from,
    },
  )
}
