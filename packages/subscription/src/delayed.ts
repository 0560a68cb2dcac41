import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'

/** Deliveries that wait for their time. */
export class Delayed {
  readonly #due: (delivery: Delivery) => void
  readonly #timers = new Map<Delivery, NodeJS.Timeout>()

  /** `due` is called for each when its time has come. */
  constructor(due: (delivery: Delivery) => void) {
    this.#due = due
  }

  add(delivery: Delivery, delay: number): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(delivery)
        this.#due(delivery)
      },
      // The longest that a timer can wait; who is early is put back.
      Math.min(delay, 2_147_483_647),
    )
    this.#timers.set(delivery, timer)
  }

  /** Gives up waiting for those of a partition. */
  remove(partition: AssignedPartition): Delivery[] {
    const removed = [...this.#timers.keys()].filter(delivery => delivery.partition === partition)
    for (const delivery of removed) {
      clearTimeout(this.#timers.get(delivery))
      this.#timers.delete(delivery)
    }
    return removed
  }

  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }
}
