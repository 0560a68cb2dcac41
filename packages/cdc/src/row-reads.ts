import type { LogReader } from '@aegis/log'
import { encodeKey, type PrimaryKey } from './primary-key.ts'
import { decodeRow, type Row } from './row.ts'
import { generationPrefix, readState, rowKey, topicOf } from './table-state.ts'

export const rowText = (stored: Uint8Array | undefined): string | undefined =>
  stored === undefined ? undefined : Buffer.from(stored.buffer, stored.byteOffset, stored.length).toString('utf8')

/** The row with a primary key, from the log or inside a transaction. */
export async function getRow(reader: LogReader, table: string, key: PrimaryKey): Promise<Row | undefined> {
  const primaryKey = encodeKey(key)
  for (let { generation } = await readState(reader, table); ; ) {
    const text = rowText(await reader.getState(topicOf(table), rowKey(generation, primaryKey)))
    if (text !== undefined) return decodeRow(text)
    // A truncate in between took the row away: what was inserted since is in the next generation.
    const now = await readState(reader, table)
    if (now.generation === generation) return undefined
    generation = now.generation
  }
}

/**
 * All rows by primary key, each at most once. What is written meanwhile may be seen or not; a row that was there all
 * the time is seen, over a truncate too.
 */
export async function* scanRows(reader: LogReader, table: string): AsyncGenerator<Row> {
  let last: Uint8Array | undefined
  for (let { generation } = await readState(reader, table); ; ) {
    for await (const [key, value] of reader.scanState(topicOf(table), generationPrefix(generation))) {
      const primaryKey = key.subarray(4)
      if (last !== undefined && Buffer.compare(primaryKey, last) <= 0) continue
      last = primaryKey
      yield decodeRow(rowText(value)!)
    }
    const now = await readState(reader, table)
    if (now.generation === generation) return
    generation = now.generation
  }
}
