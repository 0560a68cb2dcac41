import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'

// Two jobs of one id would both count every record.
const runningOn = new WeakMap<Log, Set<string>>()

/**
 * Claims the id on the log until the returned function is called.
 * @throws AegisError `PROCESSOR_RUNNING`
 */
export function claim(log: Log, id: string): () => void {
  let ids = runningOn.get(log)
  if (ids === undefined) runningOn.set(log, (ids = new Set()))
  if (ids.has(id)) {
    throw new AegisError(
      'PROCESSOR_RUNNING',
      `processor ${id} is running on this log: close its job first, or give another id`,
    )
  }
  const held = ids.add(id)
  return () => held.delete(id)
}
