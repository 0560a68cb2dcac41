import type { Transaction } from '@aegis/log'
import { encodeChange } from './change.ts'
import { encodeState, readState, stateKey, tablesSpace, topicOf } from './table-state.ts'

/** Begins the next generation of rows: one key and one change, whatever the number of rows. What is left is swept later. */
export async function truncate(tx: Transaction, table: string, transactionId: string): Promise<void> {
  const state = await readState(tx, table)
  tx.append(topicOf(table), { value: encodeChange({ op: 'truncate', key: null }, transactionId) })
  tx.putState(tablesSpace, stateKey(table), encodeState({ ...state, generation: state.generation + 1 }))
}
