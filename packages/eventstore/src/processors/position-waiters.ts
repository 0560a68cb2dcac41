import { parseDuration } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { invalid } from '../invalid.ts'

export interface WaitForOptions {
  signal?: AbortSignal
  /** Milliseconds or `'5s'`. Default: as long as it takes. */
  timeout?: number | string
}

/** The same for several waits in a row: what is left of the time is for the next. */
export function inAll({ timeout, ...rest }: WaitForOptions): () => WaitForOptions {
  if (timeout === undefined) return () => rest
  const deadline = Date.now() + parseDuration('timeout', timeout)
  return () => ({ ...rest, timeout: Math.max(0, deadline - Date.now()) })
}

interface Waiter {
  readonly position: number
  resolve(): void
  reject(error: unknown): void
}

/** Those who wait until something that goes through the events has passed a position. */
export class PositionWaiters {
  readonly #name: string
  readonly #waiters = new Set<Waiter>()

  /** @param name What they wait for, for messages. */
  constructor(name: string) {
    this.#name = name
  }

  /**
   * Resolves when everything up to the position, itself included, is passed.
   * @param passed Everything below it is passed already.
   * @throws AegisError `EVENT_PROCESSOR_TIMEOUT`, what `refuse` was called with, and the reason of the signal
   */
  async wait(position: number, passed: number, { signal, timeout }: WaitForOptions): Promise<void> {
    if (!Number.isSafeInteger(position) || position < -1)
      throw invalid(`position ${String(position)}: give that of an event or of an append's result`)
    const limit = timeout === undefined ? undefined : parseDuration('timeout', timeout)
    signal?.throwIfAborted()
    if (position < passed) return
    let waiter: Waiter | undefined
    let timer: NodeJS.Timeout | undefined
    const aborted = (): void => waiter?.reject(signal?.reason)
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { position, resolve, reject }
        this.#waiters.add(waiter)
        signal?.addEventListener('abort', aborted, { once: true })
        if (limit !== undefined) timer = setTimeout(() => reject(this.#late(position, limit)), limit)
      })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
      this.#waiters.delete(waiter!)
    }
  }

  advance(passed: number): void {
    for (const waiter of this.#waiters) if (waiter.position < passed) waiter.resolve()
  }

  /** Whoever waits now waits in vain. */
  refuse(error: unknown): void {
    for (const waiter of this.#waiters) waiter.reject(error)
  }

  #late(position: number, limit: number): AegisError {
    return new AegisError(
      'EVENT_PROCESSOR_TIMEOUT',
      `${this.#name} has not come to position ${position} within ${limit} ms: wait longer, or look at its status`,
      { details: { position } },
    )
  }
}
