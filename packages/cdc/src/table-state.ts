import type { LogReader } from '@aegis/log'
import { AegisError } from '@aegis/storage'

/** What is stored of a table. */
export interface TableState {
  readonly primaryKey: string
  /** Largest JSON of a row in bytes. */
  readonly maxRowSize: number
  /** Rows live under their table's generation: a truncate begins the next one, whatever the number of rows. */
  readonly generation: number
}

export const tablesSpace = '$cdc'
const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8')

/** The topic of a table's changes; also the key space of its rows. */
export const topicOf = (table: string): string => `$table.${table}`

export const stateKey = bytes

export const encodeState = (state: TableState): Uint8Array => bytes(JSON.stringify(state))

export const decodeState = (stored: Uint8Array): TableState => JSON.parse(Buffer.from(stored).toString('utf8'))

/** @throws AegisError `TABLE_UNKNOWN` */
export async function readState(reader: LogReader, table: string): Promise<TableState> {
  const stored = await reader.getState(tablesSpace, stateKey(table))
  if (stored !== undefined) return decodeState(stored)
  throw new AegisError(
    'TABLE_UNKNOWN',
    `table ${JSON.stringify(table)} does not exist: make it with table(name, { primaryKey })`,
    { details: { table } },
  )
}

export function generationPrefix(generation: number): Uint8Array {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(generation)
  return out
}

export const generationOf = (rowKey: Uint8Array): number => Buffer.from(rowKey).readUInt32BE(0)

/** The key of a row in its table's key space. */
export const rowKey = (generation: number, primaryKey: Uint8Array): Uint8Array =>
  Buffer.concat([generationPrefix(generation), primaryKey])
