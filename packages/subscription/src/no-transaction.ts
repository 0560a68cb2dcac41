import type { Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'

const complain = (): never => {
  throw new AegisError(
    'SUBSCRIPTION_INVALID',
    "handlers have a transaction under delivery: 'exactly-once' only: subscribe with it, or use log.transaction",
  )
}

/** What handlers get in the place of a transaction where there is none: says so when it is used. */
export const noTransaction = new Proxy({} as Transaction, { get: complain, set: complain, has: complain })
