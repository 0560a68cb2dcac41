import type { Log } from '@aegis/log'

/** Where timers take their time from. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls back after `delay` milliseconds, unless the returned function is called before. */
  schedule(callback: () => void, delay: number): () => void
}

/** The time of a log, waited for with the timers of the system. */
export const clockOf = (log: Log): Clock => ({
  now: () => log.now(),
  schedule(callback, delay) {
    const timer = setTimeout(callback, delay)
    return () => clearTimeout(timer)
  },
})
