import type { Log } from '@aegis/log'
import type { AssignedPartition } from './assigned-partition.ts'
import type { SubscriptionStatus } from './status.ts'

/** Whether a subscriber has everything that its topic had, or falls behind; reported when it changes. */
export class Progress {
  readonly #log: Log
  readonly #topic: string
  readonly #report: (status: SubscriptionStatus) => void
  #caughtUp = false
  #asking = false
  /** The ends of the partitions when they were asked for last: before they are reached there is nothing to ask. */
  #ends: readonly { readonly startOffset: number; readonly endOffset: number }[] = []

  constructor(log: Log, topic: string, report: (status: SubscriptionStatus) => void) {
    this.#log = log
    this.#topic = topic
    this.#report = report
  }

  /** Everything that was fetched is handed over, and more is asked for. */
  idle(partitions: ReadonlyMap<number, AssignedPartition>): void {
    if (this.#caughtUp || this.#asking || !this.#reached(partitions)) return
    this.#asking = true
    void this.#ask(partitions).finally(() => {
      this.#asking = false
    })
  }

  /** More has arrived than is asked for. */
  behind(): void {
    if (!this.#caughtUp) return
    this.#caughtUp = false
    this.#report({ type: 'lagging', topic: this.#topic })
  }

  async #ask(partitions: ReadonlyMap<number, AssignedPartition>): Promise<void> {
    try {
      this.#ends = (await this.#log.describeTopic(this.#topic)).partitionDetails
    } catch {
      // A topic that is gone, or a log that is closed, is told by the reading.
      return
    }
    if (!this.#reached(partitions)) return
    for (const { ready } of partitions.values()) if (ready.size > 0) return
    this.#caughtUp = true
    this.#report({ type: 'caught-up', topic: this.#topic })
  }

  #reached(partitions: ReadonlyMap<number, AssignedPartition>): boolean {
    for (const { partition, next } of partitions.values()) {
      const end = this.#ends[partition]
      if (end !== undefined && Math.max(next, end.startOffset) < end.endOffset) return false
    }
    return true
  }
}
