import type { Log, Transaction } from '@aegis/log'

/** Where a process dies: before its commit, or after it and before it hears of it. */
export type Crash = 'before commit' | 'after commit'

/** The log as a process sees it that dies in one of its transactions, counted from 0. */
export function crashingLog(log: Log, at: number, crash: Crash): Log {
  let transactions = 0
  const transaction: Log['transaction'] = async (work, options) => {
    if (transactions++ < at) return log.transaction(work, options)
    if (crash === 'after commit' && transactions === at + 1) {
      // The work runs, but the dead process is told nothing.
      await log.transaction(tx => work(deaf(tx)), options)
    }
    throw new Error(`killed ${crash}`)
  }
  return bound(log, { transaction })
}

const deaf = (tx: Transaction): Transaction => bound(tx, { onCommit: () => undefined })

function bound<T extends object>(target: T, overrides: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(name in overrides ? overrides : target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
