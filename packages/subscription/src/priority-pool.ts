import type { Delivery } from './delivery.ts'

/** Deliveries by priority: the highest first, those of one priority as they came. */
export class PriorityPool {
  /** Highest priority first; as a rule there are few. */
  readonly #levels: { readonly priority: number; readonly deliveries: Delivery[]; first: number }[] = []
  size = 0
  /** What they need in memory, or about as much. */
  bytes = 0

  push(delivery: Delivery, priority: number): void {
    let at = this.#levels.findIndex(level => level.priority <= priority)
    if (at < 0) at = this.#levels.length
    if (this.#levels[at]?.priority !== priority) this.#levels.splice(at, 0, { priority, deliveries: [], first: 0 })
    this.#levels[at]!.deliveries.push(delivery)
    this.size++
    this.bytes += delivery.bytes
  }

  /** The one that `shift` would give. */
  get first(): Delivery | undefined {
    const level = this.#levels[0]
    return level?.deliveries[level.first]
  }

  shift(): Delivery | undefined {
    const level = this.#levels[0]
    if (level === undefined) return undefined
    const delivery = level.deliveries[level.first++]!
    if (level.first === level.deliveries.length) this.#levels.shift()
    this.size--
    this.bytes -= delivery.bytes
    return delivery
  }
}
