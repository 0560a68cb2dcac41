import type { LogReader, Transaction } from '@aegis/log'
import type { EventInput } from '../event.ts'

/** A timer as it is stored. */
export interface StoredTimer {
  readonly id: string
  readonly instanceId: string
  readonly timer: string
  readonly due: number
  readonly message: EventInput
}

type Identity = Pick<StoredTimer, 'due' | 'instanceId' | 'timer'>

const spaceOf = (workflow: string): string => `$workflow.timers.${workflow}`

/** Keys are in the order of the times at which timers are due. */
function keyOf({ due, instanceId, timer }: Identity): Uint8Array {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(due))
  return Buffer.concat([time, Buffer.from(JSON.stringify([instanceId, timer]))])
}

export function writeTimer(tx: Transaction, workflow: string, timer: StoredTimer): void {
  tx.putState(spaceOf(workflow), keyOf(timer), Buffer.from(JSON.stringify(timer)))
}

export function deleteTimer(tx: Transaction, workflow: string, timer: Identity): void {
  tx.deleteState(spaceOf(workflow), keyOf(timer))
}

/** A timer as it is now; `undefined` when it was fired, cancelled or replaced. */
export async function readTimer(
  reader: LogReader,
  workflow: string,
  timer: Identity,
): Promise<StoredTimer | undefined> {
  const stored = await reader.getState(spaceOf(workflow), keyOf(timer))
  return stored === undefined ? undefined : JSON.parse(Buffer.from(stored).toString())
}

/** The timers that are due first. */
export async function firstTimers(reader: LogReader, workflow: string, limit: number): Promise<StoredTimer[]> {
  const timers: StoredTimer[] = []
  for await (const [, value] of reader.scanState(spaceOf(workflow))) {
    timers.push(JSON.parse(Buffer.from(value).toString()))
    if (timers.length === limit) break
  }
  return timers
}
