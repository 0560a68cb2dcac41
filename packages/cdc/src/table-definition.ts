import { type Log, parseSize, type Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { decodeState, encodeState, stateKey, type TableState, tablesSpace, topicOf } from './table-state.ts'

export interface TableOptions<R extends object = Untyped> {
  /** The field that tells rows apart. */
  primaryKey: keyof R & string
  /** Largest JSON of a row, bytes or `'100KB'`. Default `'1MB'`, or less where a message of the log cannot carry two rows of that size. */
  maxRowSize?: number | string
}

// Key, transaction id and what else surrounds the two rows of an update.
const changeOverhead = 40_000

/** Makes a table, or checks that the one which is there has the same settings. */
export async function createTable(
  log: Log,
  name: string,
  { primaryKey, maxRowSize: size }: TableOptions,
): Promise<void> {
  if (typeof name !== 'string' || !/^[A-Za-z0-9._-]{1,240}$/.test(name)) {
    throw new AegisError(
      'CDC_INVALID',
      `table name ${JSON.stringify(name)}: give 1 to 240 letters, digits, '.', '_' or '-'`,
    )
  }
  if (typeof primaryKey !== 'string' || !primaryKey.isWellFormed()) {
    throw new AegisError('CDC_INVALID', `primaryKey of table ${name} is ${JSON.stringify(primaryKey)}: name a field`)
  }
  const fits = Math.floor((log.capabilities.maxMessageSize - changeOverhead) / 2)
  const wanted = { primaryKey, maxRowSize: size === undefined ? Math.min(1e6, fits) : parseSize('maxRowSize', size) }
  const stored = await log.getState(tablesSpace, stateKey(name))
  if (stored !== undefined) return checkSame(name, decodeState(stored), wanted)
  await log.createTopic(topicOf(name), { maxMessageSize: 2 * wanted.maxRowSize + changeOverhead })
  await log.transaction(async tx => {
    const made = await tx.getState(tablesSpace, stateKey(name))
    if (made !== undefined) return checkSame(name, decodeState(made), wanted)
    tx.putState(tablesSpace, stateKey(name), encodeState({ ...wanted, generation: 0 }))
  })
}

function checkSame(table: string, existing: TableState, wanted: Omit<TableState, 'generation'>): void {
  const settings = ['primaryKey', 'maxRowSize'] as const
  const different = settings
    .filter(setting => existing[setting] !== wanted[setting])
    .map(setting => `${setting} is ${existing[setting]}, asked for ${wanted[setting]}`)
  if (different.length === 0) return
  throw new AegisError('TABLE_EXISTS', `table ${table} exists with other settings: ${different.join('; ')}`, {
    details: { table },
  })
}
