import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { type ChangeEvent, decodeChange, type Operation, operations } from './change.ts'
import { readState, topicOf } from './table-state.ts'

export interface SubscribeChangesOptions {
  /** Default: all. */
  operations?: readonly Operation[]
  /** Whether changes have `oldRow`. Default false. */
  includeOldValues?: boolean
  /** Default `'latest'`; `position` is the first one wanted. */
  from?: 'latest' | 'earliest' | { position: number }
  signal?: AbortSignal
}

/** Leaving the loop closes it. */
export interface ChangeSubscription<R, Included extends boolean> extends AsyncIterable<ChangeEvent<R, Included>> {
  close(): void
}

/** Follows a table's changes. The start is fixed when it resolves. */
export async function followChanges<R extends object>(
  log: Log,
  table: string,
  options: SubscribeChangesOptions,
  maxRecords: number,
): Promise<ChangeSubscription<R, boolean>> {
  const { operations: wanted, includeOldValues = false, from = 'latest', signal } = options
  for (const op of wanted ?? []) {
    if (!operations.includes(op))
      throw new AegisError('CDC_INVALID', `operation ${op}: give some of ${operations.join(', ')}`)
  }
  const start = from === 'earliest' ? 0 : from === 'latest' ? undefined : from.position
  if (start !== undefined && !(Number.isSafeInteger(start) && start >= 0))
    throw new AegisError('CDC_INVALID', `from ${JSON.stringify(from)}: give 'latest', 'earliest' or { position }`)
  const topic = topicOf(table)
  await readState(log, table)
  const positions = new Map([[0, start ?? log.endOffset(topic)]])
  const follower = log.follow(
    topic,
    signal === undefined ? { positions, maxRecords } : { positions, maxRecords, signal },
  )
  async function* changes(): AsyncGenerator<ChangeEvent<R, boolean>> {
    try {
      for (let page = await follower.next(); page !== undefined; page = await follower.next()) {
        for (const record of page.records) {
          const { oldRow, ...change } = decodeChange<R>(table, record)
          if (wanted !== undefined && !wanted.includes(change.op)) continue
          const old = includeOldValues && oldRow !== undefined ? { oldRow } : {}
          yield { ...change, ...old } as ChangeEvent<R, boolean>
        }
      }
    } finally {
      follower.close()
    }
  }
  const iterator = changes()
  return { close: () => follower.close(), [Symbol.asyncIterator]: () => iterator }
}
