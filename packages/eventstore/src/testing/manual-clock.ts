import { parseDuration } from '@aegis/log'
import type { Clock } from '../processors/clock.ts'

/** A clock that a test moves: the timers of workflows go by it. */
export class ManualClock implements Clock {
  #now: number
  readonly #waiting = new Set<{ readonly due: number; callback(): void }>()

  /** @param now Milliseconds since the epoch; default: the time of the system, from which it does not go on by itself. */
  constructor(now: number | Date = Date.now()) {
    this.#now = Number(now)
  }

  now(): number {
    return this.#now
  }

  schedule(callback: () => void, delay: number): () => void {
    const waiting = { due: this.#now + delay, callback }
    this.#waiting.add(waiting)
    return () => this.#waiting.delete(waiting)
  }

  /** Moves the time on, by milliseconds or `'15m'`. Whoever waited for a time up to then is called back, the earliest first. */
  advance(by: number | string): void {
    const until = this.#now + parseDuration('by', by)
    for (;;) {
      const [next] = [...this.#waiting].filter(({ due }) => due <= until).sort((a, b) => a.due - b.due)
      if (next === undefined) break
      this.#now = Math.max(this.#now, next.due)
      this.#waiting.delete(next)
      next.callback()
    }
    this.#now = until
  }
}
