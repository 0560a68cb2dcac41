import { setTimeout as pause } from 'node:timers/promises'
import type { Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { JetStreamTransaction, type TransactionHost } from './transaction.ts'

/** What running a transaction needs of the log besides. */
export interface RunningHost extends TransactionHost {
  readonly closed: boolean
  /** What is to be waited for before the log is closed. */
  track<T>(work: Promise<T>): Promise<T>
}

/** Milliseconds, at most, before a transaction that was overtaken is run again: those who contend go on at different times. */
const longestPause = 50

/** Runs the function, again when something that it has read was changed before it could commit. */
export async function runTransaction<T>(
  host: RunningHost,
  work: (tx: Transaction) => Promise<T> | T,
  retries: number,
): Promise<T> {
  for (let attempt = 0, fresh = false; ; ) {
    const tx = new JetStreamTransaction(host, fresh)
    try {
      const result = await work(tx)
      await host.track(tx.commit())
      return result
    } catch (error) {
      tx.end()
      if (host.closed || (attempt >= retries && !tx.remembered)) throw error
      // What it read in several steps may not have belonged together: then its error says nothing.
      if (!AegisError.is(error, 'TRANSACTION_CONFLICT') && (await tx.readsHold())) throw error
      // Nobody was faster where only what was remembered was old: that is no attempt, and happens once.
      if (!tx.remembered) await pause(Math.random() * Math.min(longestPause, 2 ** attempt++))
      fresh = true
    } finally {
      tx.end()
    }
  }
}
