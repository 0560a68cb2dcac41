import type { Delivery } from './delivery.ts'

/** Deliveries of one partition that were fetched and not handed over, first come first served. */
export class ReadyQueue {
  #deliveries: Delivery[] = []
  #first = 0
  /** What they need in memory, or about as much. */
  bytes = 0

  get size(): number {
    return this.#deliveries.length - this.#first
  }

  push(delivery: Delivery): void {
    this.#deliveries.push(delivery)
    this.bytes += delivery.bytes
  }

  /** Those which meanwhile were acknowledged or taken away are left out. */
  shift(): Delivery | undefined {
    while (this.#first < this.#deliveries.length) {
      const delivery = this.#deliveries[this.#first++]!
      this.bytes -= delivery.bytes
      if (this.#first === this.#deliveries.length) this.#reset()
      if (delivery.open) return delivery
    }
    return undefined
  }

  /** The offset of the first that was not handed over. */
  get firstOffset(): number | undefined {
    let first: number | undefined
    for (let at = this.#first; at < this.#deliveries.length; at++) {
      const { offset } = this.#deliveries[at]!.record
      if (first === undefined || offset < first) first = offset
    }
    return first
  }

  #reset(): void {
    this.#deliveries = []
    this.#first = 0
    this.bytes = 0
  }
}
