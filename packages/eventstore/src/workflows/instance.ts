import type { LogReader, Transaction } from '@aegis/log'
import { invalid } from '../invalid.ts'

/** A timer of an instance that waits: its name, and when it is due. */
export type PendingTimer = readonly [name: string, due: number]

/** An instance as it is stored. */
export interface StoredInstance<State = unknown> {
  readonly state?: State
  readonly timers: readonly PendingTimer[]
  /** It has ended, and stays so. */
  readonly completed?: true
}

const spaceOf = (workflow: string): string => `$workflow.instances.${workflow}`

/** @throws AegisError `EVENT_INVALID` */
function keyOf(workflow: string, instanceId: string): Uint8Array {
  if (typeof instanceId === 'string' && instanceId !== '' && instanceId.length <= 1000 && instanceId.isWellFormed())
    return Buffer.from(instanceId)
  throw invalid(
    `instance ${JSON.stringify(instanceId)} of workflow ${workflow}: let correlate give well-formed text of 1 to 1,000 characters`,
  )
}

export async function readInstance<State>(
  reader: LogReader,
  workflow: string,
  instanceId: string,
): Promise<StoredInstance<State> | undefined> {
  const stored = await reader.getState(spaceOf(workflow), keyOf(workflow, instanceId))
  return stored === undefined ? undefined : JSON.parse(Buffer.from(stored).toString())
}

export function writeInstance(tx: Transaction, workflow: string, instanceId: string, instance: StoredInstance): void {
  tx.putState(spaceOf(workflow), keyOf(workflow, instanceId), Buffer.from(JSON.stringify(instance)))
}
