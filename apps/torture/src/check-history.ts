import { cycleAnomalies } from './anomalies/cycles.ts'
import { deliveryAnomalies } from './anomalies/deliveries.ts'
import { keyAnomalies } from './anomalies/keys.ts'
import { orderAnomalies } from './anomalies/order.ts'
import { positionAnomalies } from './anomalies/positions.ts'
import { holes } from './anomalies/prefix.ts'
import { recordAnomalies } from './anomalies/records.ts'
import { rowAnomalies } from './anomalies/rows.ts'
import { tornTransactions } from './anomalies/transactions.ts'
import { truncationAnomalies } from './anomalies/truncations.ts'
import type { Anomaly, History } from './history.ts'

/** Everything in a history that a durable, atomic, serializable log must never show. */
export function checkHistory(history: History): Anomaly[] {
  return [
    recordAnomalies,
    orderAnomalies,
    tornTransactions,
    keyAnomalies,
    positionAnomalies,
    cycleAnomalies,
    rowAnomalies,
    truncationAnomalies,
    deliveryAnomalies,
  ].flatMap(anomalies => [...anomalies(history)])
}

/**
 * What holds of a log that is not synced at every commit, after power cuts: the newest is gone, nothing in the middle,
 * and no half of a transaction. `runOf` says which run a process belonged to.
 */
export function checkPrefix(history: History, runOf: (process: string) => string): Anomaly[] {
  return [...holes(history, runOf), ...tornTransactions(history)]
}
