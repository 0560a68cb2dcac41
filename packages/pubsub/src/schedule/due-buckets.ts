import type { Log, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { dueTimeOf } from './stored-schedule.ts'

/** Which hours have something that is due in them. A cluster reads a whole key space, so each hour has one of its own. */
const hoursSpace = '$scheduled'
const hour = 3_600_000
const nothing = Uint8Array.of(1)

const hourOf = (key: Uint8Array): number => Math.floor(dueTimeOf(key) / hour)
const spaceOf = (number: number): string => `${hoursSpace}.${number}`

function hourKey(number: number): Uint8Array {
  const key = Buffer.alloc(6)
  key.writeUIntBE(number, 0, 6)
  return key
}

/** Keeps what is due at the time of its key. */
export function putDue(tx: Transaction, key: Uint8Array, value: Uint8Array): void {
  tx.putState(spaceOf(hourOf(key)), key, value)
  // Always, so that it is in conflict with whoever forgets the hour at the same time.
  tx.putState(hoursSpace, hourKey(hourOf(key)), nothing)
}

export const getDue = (tx: Transaction, key: Uint8Array): Promise<Uint8Array | undefined> =>
  tx.getState(spaceOf(hourOf(key)), key)

export const deleteDue = (tx: Transaction, key: Uint8Array): void => tx.deleteState(spaceOf(hourOf(key)), key)

async function* hours(log: Log): AsyncGenerator<number> {
  for await (const [key] of log.scanState(hoursSpace)) yield Buffer.from(key).readUIntBE(0, 6)
}

/** Everything that is to come, soonest first. */
export async function* scanDue(log: Log): AsyncGenerator<readonly [key: Uint8Array, value: Uint8Array]> {
  for await (const number of hours(log)) yield* log.scanState(spaceOf(number))
}

/** The first `most` keys that are due, and when to look again: of later hours nothing is read. */
export async function lookForDue(
  log: Log,
  now: number,
  most: number,
): Promise<{ readonly keys: Uint8Array[]; readonly lookAgainAt: number }> {
  const keys: Uint8Array[] = []
  for await (const number of hours(log)) {
    if (number * hour > now) return { keys, lookAgainAt: number * hour }
    const before = keys.length
    for await (const [key] of log.scanState(spaceOf(number))) {
      if (dueTimeOf(key) > now) return { keys, lookAgainAt: dueTimeOf(key) }
      if (keys.length === most) return { keys, lookAgainAt: now }
      keys.push(key)
    }
    if (keys.length === before && (number + 1) * hour <= now) await forget(log, number)
  }
  return { keys, lookAgainAt: Infinity }
}

/** An hour that is over and has nothing any more. */
async function forget(log: Log, number: number): Promise<void> {
  try {
    await log.transaction(async tx => {
      if ((await tx.getState(hoursSpace, hourKey(number))) === undefined) return
      for await (const _ of tx.scanState(spaceOf(number))) return
      tx.deleteState(hoursSpace, hourKey(number))
    })
  } catch (error) {
    // Something was scheduled for it meanwhile.
    if (!AegisError.is(error, 'TRANSACTION_CONFLICT')) throw error
  }
}
