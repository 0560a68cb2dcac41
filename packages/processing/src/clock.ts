/** Where a job takes its time from: idle partitions are told by it, never a result. */
export interface Clock {
  /** Milliseconds. */
  now(): number
  /** Calls back after `delay` milliseconds, unless the returned function is called before. */
  schedule(callback: () => void, delay: number): () => void
}

export const systemClock: Clock = {
  now: Date.now,
  schedule(callback, delay) {
    const timer = setTimeout(callback, delay)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
