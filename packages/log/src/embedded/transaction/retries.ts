import { AegisError } from '@aegis/storage'
import type { Transaction } from '../../log.ts'
import type { EmbeddedTransaction } from './transaction.ts'

/** Runs the work in a transaction and commits it, in another one again when it conflicted, up to `retries` times. */
export async function withRetries<T>(
  begin: () => EmbeddedTransaction,
  work: (tx: Transaction) => Promise<T> | T,
  retries: number,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const tx = begin()
    try {
      const result = await work(tx)
      await tx.commit()
      return result
    } catch (error) {
      if (!AegisError.is(error, 'TRANSACTION_CONFLICT') || attempt >= retries) throw error
      await backOff(attempt)
    } finally {
      await tx.end()
    }
  }
}

/**
 * Those that conflicted go on at different times, else they would conflict again in step: at once after the first
 * conflict, then after up to 1, 2, 4 … 64 ms.
 */
async function backOff(attempt: number): Promise<void> {
  if (attempt === 0) return
  const most = Math.min(64, 2 ** (attempt - 1))
  await new Promise(resolve => setTimeout(resolve, Math.random() * most))
}
