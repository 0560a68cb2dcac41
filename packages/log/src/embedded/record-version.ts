import { AegisError } from '@aegis/storage'
import type { BatchRecord } from '../batch/layout.ts'
import { readU64, u64 } from '../keys.ts'

const header = 'aegis-version'

/**
 * The record as the feed of a `'history'` topic stores it. A version is decided with the offset, so whoever follows the
 * feed would have to look it up record by record; it travels as the last header, which any Kafka reader understands.
 */
export const withVersion = (record: BatchRecord, version: number): BatchRecord => ({
  ...record,
  headers: [...record.headers, { key: header, value: u64(version) }],
})

/** Undoes `withVersion`. */
export function versionOf({ offset, headers }: BatchRecord): Pick<BatchRecord, 'headers'> & { version: number } {
  const last = headers.at(-1)
  if (last?.key !== header || last.value?.length !== 8) {
    throw new AegisError('BATCH_INVALID', `the record at offset ${offset} of a history topic has no version`)
  }
  return { version: readU64(last.value, 0), headers: headers.slice(0, -1) }
}
