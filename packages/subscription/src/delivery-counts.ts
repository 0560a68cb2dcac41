import { AegisError } from '@aegis/storage'
import type { AssignedPartition } from './assigned-partition.ts'
import type { Committer } from './committer.ts'
import type { Delivery } from './delivery.ts'
import type { ReadyPartitions } from './ready-partitions.ts'

/** What the deliveries are given out of. */
interface Outlet {
  readonly ready: ReadyPartitions
  /** Whether the partition is still ours to give out of. */
  has(partition: AssignedPartition): boolean
  give(deliveries: readonly Delivery[]): void
}

/** Counts deliveries, durably, before they happen: a message that ends its process is not delivered for ever. */
export class DeliveryCounts {
  readonly #committer: Committer
  readonly #outlet: Outlet
  /** To be called when everything that was ready is handed over, and more is asked for, or nothing will be any more. */
  emptied: () => void = () => undefined

  constructor(committer: Committer, outlet: Outlet) {
    this.#committer = committer
    this.#outlet = outlet
  }

  /** Counts one more delivery; resolves as `Source.count`. */
  count(delivery: Delivery): Promise<boolean> | undefined {
    const { partition, retry } = delivery
    // It was counted with its page, or when it was taken out of the retry queue.
    if (retry !== undefined || partition.counted.has(delivery)) return undefined
    partition.count([delivery])
    return this.#stored(partition)
  }

  /**
   * Gives deliveries of a page when they are counted. One that was delivered to somebody who is gone is given alone, so that
   * what comes after it is not counted for it.
   */
  async give(partition: AssignedPartition, deliveries: readonly Delivery[]): Promise<void> {
    for (let at = 0; at < deliveries.length; ) {
      const alone = deliveries[at]!.suspect
      let end = at + 1
      while (!alone && end < deliveries.length && !deliveries[end]!.suspect) end++
      if (alone && this.#outlet.ready.size > 0) {
        await new Promise<void>(resolve => {
          this.emptied = resolve
        })
      }
      const some = deliveries.slice(at, end)
      // Taken away, or closed, meanwhile.
      if (!this.#outlet.has(partition)) return
      partition.count(some)
      if (!(await this.#stored(partition))) return
      this.#outlet.give(some)
      at = end
    }
  }

  /** Whether the counts of a partition are durable: `false` when it is another's, whether we have been told or not. */
  async #stored(partition: AssignedPartition): Promise<boolean> {
    try {
      await this.#committer.confirm([partition])
      return this.#outlet.has(partition)
    } catch (error) {
      if (!AegisError.is(error, 'GENERATION_FENCED')) throw error
      return false
    }
  }
}
