import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'

/**
 * What is ready of several partitions, taken in turn: of one until it has nothing more, for neighbours share a commit, and at
 * most a page, for a busy one is filled again before it is empty.
 */
export class ReadyPartitions {
  /** In the order in which they are taken from. */
  #turn: AssignedPartition[] = []
  readonly #page: number
  /** How many were taken of the first of them in a row. */
  #inRow = 0
  /** How many deliveries are ready, and their bytes, without those of partitions that are paused. */
  size = 0
  bytes = 0

  constructor(page: number) {
    this.#page = page
  }

  add(partition: AssignedPartition): void {
    this.#turn.push(partition)
  }

  remove(partitions: readonly AssignedPartition[]): void {
    for (const { ready, paused } of partitions) {
      if (paused) continue
      this.size -= ready.size
      this.bytes -= ready.bytes
    }
    this.#turn = this.#turn.filter(partition => !partitions.includes(partition))
  }

  pause(partition: AssignedPartition, paused: boolean): void {
    if (partition.paused === paused) return
    partition.paused = paused
    const { ready } = partition
    this.size += paused ? -ready.size : ready.size
    this.bytes += paused ? -ready.bytes : ready.bytes
  }

  push(delivery: Delivery): void {
    const { ready, paused } = delivery.partition
    ready.push(delivery)
    if (paused) return
    this.size++
    this.bytes += delivery.bytes
  }

  take(): Delivery | undefined {
    if (this.#inRow >= this.#page) this.#goOn()
    for (let tried = this.#turn.length; tried > 0; tried--) {
      const delivery = this.takeOf(this.#turn[0]!)
      if (delivery !== undefined) return delivery
      this.#goOn()
    }
    return undefined
  }

  takeOf(partition: AssignedPartition): Delivery | undefined {
    const { ready, paused } = partition
    const [size, bytes] = [ready.size, ready.bytes]
    if (size === 0 || paused) return undefined
    const delivery = ready.shift()
    // Those that meanwhile were acknowledged are gone as well.
    this.size += ready.size - size
    this.bytes += ready.bytes - bytes
    if (partition === this.#turn[0]) this.#inRow++
    partition.taken = delivery
    return delivery
  }

  #goOn(): void {
    this.#inRow = 0
    const first = this.#turn.shift()
    if (first !== undefined) this.#turn.push(first)
  }
}
