import type { Log } from '@aegis/log'
import { generationOf, readState, topicOf } from './table-state.ts'

const keysPerCommit = 1000

/** Deletes the rows that truncates have left behind, in small commits. A process that ends meanwhile leaves the rest to the next. */
export async function sweep(log: Log, table: string, signal: AbortSignal): Promise<void> {
  const space = topicOf(table)
  const { generation } = await readState(log, table)
  let dead: Uint8Array[] = []
  const remove = async (): Promise<void> => {
    const keys = dead
    dead = []
    if (keys.length > 0) await log.transaction(tx => keys.forEach(key => void tx.deleteState(space, key)))
  }
  for await (const [key] of log.scanState(space)) {
    // Generations come in order: the first row of the present one ends those that are gone.
    if (generationOf(key) >= generation || signal.aborted) break
    dead.push(key)
    if (dead.length >= keysPerCommit) await remove()
  }
  await remove()
}
