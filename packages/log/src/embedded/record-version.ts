import type { BatchRecord } from '../batch/layout.ts'
import { readU64, u64 } from '../keys.ts'
import { versionHeader } from '../stored-record.ts'

/**
 * The record as the feed of a `'history'` topic stores it. A version is decided with the offset, so whoever follows the
 * feed would have to look it up record by record; it travels as the last header, which any Kafka reader understands.
 */
export const withVersion = (record: BatchRecord, version: number): BatchRecord => ({
  ...record,
  headers: [...record.headers, { key: versionHeader, value: u64(version) }],
})

/** The version that `withVersion` has given a record; `undefined` when it has none. */
export function storedVersion({ headers }: BatchRecord): number | undefined {
  const last = headers.at(-1)
  return last?.key === versionHeader && last.value?.length === 8 ? readU64(last.value, 0) : undefined
}
