/** What happens to a subscription. */
export type SubscriptionStatus =
  /** Partitions that are this member's from now on; without a group all of the topic. */
  | { readonly type: 'assigned'; readonly topic: string; readonly partitions: readonly number[] }
  /** Partitions that went to another member. What was not acknowledged is delivered there. */
  | { readonly type: 'revoked'; readonly topic: string; readonly partitions: readonly number[] }
  /** Everything that the topic had was handed over; from here on it is live. Again after each `lagging`. */
  | { readonly type: 'caught-up'; readonly topic: string }
  /** Records arrive faster than they are handled. */
  | { readonly type: 'lagging'; readonly topic: string }
  /** An attempt has failed; the next comes after `delay` milliseconds. */
  | ({ readonly type: 'retried'; readonly delay: number } & FailedAttempt)
  /** The last attempt has failed, or the record could not be read: it is in the dead letters. */
  | ({ readonly type: 'dead-lettered' } & FailedAttempt)
  /** In a shared group: it was not acknowledged before its lease ended, and any member may have it again. */
  | ({ readonly type: 'lapsed' } & Omit<FailedAttempt, 'reason'>)
  /** Nobody has read the status for long: so many of the oldest entries were left out. */
  | { readonly type: 'missed'; readonly count: number }
  /** The last entry; `error` when it was not closed on purpose. */
  | { readonly type: 'closed'; readonly error?: unknown }

interface FailedAttempt {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly attempts: number
  readonly reason: string
}

// Who does not read the status must not fill the memory.
const mostKept = 1000

/** Tells everybody who watches; who begins to watch is first told how things stand. */
export class StatusBoard {
  readonly #watchers = new Set<Watcher>()
  readonly #partitions = new Map<string, Set<number>>()
  readonly #caughtUp = new Set<string>()
  #closed: SubscriptionStatus | undefined

  report(status: SubscriptionStatus): void {
    this.#note(status)
    for (const watcher of this.#watchers) watcher.add(status)
    if (status.type === 'closed') this.#watchers.clear()
  }

  /** Ends after `closed`, or when the loop is left. */
  watch(): AsyncIterableIterator<SubscriptionStatus, undefined> {
    const watcher = new Watcher(() => this.#watchers.delete(watcher))
    for (const [topic, partitions] of this.#partitions) {
      watcher.add({ type: 'assigned', topic, partitions: [...partitions] })
    }
    for (const topic of this.#caughtUp) watcher.add({ type: 'caught-up', topic })
    if (this.#closed === undefined) this.#watchers.add(watcher)
    else watcher.add(this.#closed)
    return watcher
  }

  #note(status: SubscriptionStatus): void {
    switch (status.type) {
      case 'assigned': {
        const before = this.#partitions.get(status.topic) ?? []
        this.#partitions.set(status.topic, new Set([...before, ...status.partitions]))
        break
      }
      case 'revoked':
        for (const partition of status.partitions) this.#partitions.get(status.topic)?.delete(partition)
        break
      case 'caught-up':
        this.#caughtUp.add(status.topic)
        break
      case 'lagging':
        this.#caughtUp.delete(status.topic)
        break
      case 'closed':
        this.#closed = status
        this.#partitions.clear()
        this.#caughtUp.clear()
        break
    }
  }
}

class Watcher implements AsyncIterableIterator<SubscriptionStatus, undefined> {
  readonly #left: () => void
  #kept: SubscriptionStatus[] = []
  #missed = 0
  #ended = false
  #waiting: ((result: IteratorResult<SubscriptionStatus, undefined>) => void)[] = []

  constructor(left: () => void) {
    this.#left = left
  }

  add(status: SubscriptionStatus): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting({ done: false, value: status })
    } else {
      this.#kept.push(status)
      if (this.#kept.length > mostKept) {
        this.#kept.shift()
        this.#missed++
      }
    }
    if (status.type === 'closed') this.#end()
  }

  next(): Promise<IteratorResult<SubscriptionStatus, undefined>> {
    if (this.#missed > 0) {
      const count = this.#missed
      this.#missed = 0
      return Promise.resolve({ done: false, value: { type: 'missed', count } })
    }
    const status = this.#kept.shift()
    if (status !== undefined) return Promise.resolve({ done: false, value: status })
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  return(): Promise<IteratorResult<SubscriptionStatus, undefined>> {
    this.#kept = []
    this.#missed = 0
    this.#end()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #end(): void {
    this.#ended = true
    this.#left()
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined })
  }
}
