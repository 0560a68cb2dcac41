import { type Log, verifyLog } from '@aegis/log'
import type { Anomaly } from './history.ts'

/** What is stored must fit together, whatever anybody was told. */
export async function storedAnomalies(log: Log): Promise<Anomaly[]> {
  const { storage, problems } = await verifyLog(log)
  return [...storage.damage, ...problems].map(found => ({ name: 'not-sound', example: JSON.stringify(found) }))
}
