import { cycleAnomalies } from './anomalies/cycles.ts'
import { keyAnomalies } from './anomalies/keys.ts'
import { orderAnomalies } from './anomalies/order.ts'
import { positionAnomalies } from './anomalies/positions.ts'
import { recordAnomalies } from './anomalies/records.ts'
import { tornTransactions } from './anomalies/transactions.ts'
import type { Anomaly, History } from './history.ts'

/** Everything in a history that a durable, atomic, serializable log must never show. */
export function checkHistory(history: History): Anomaly[] {
  return [recordAnomalies, orderAnomalies, tornTransactions, keyAnomalies, positionAnomalies, cycleAnomalies].flatMap(
    anomalies => [...anomalies(history)],
  )
}
