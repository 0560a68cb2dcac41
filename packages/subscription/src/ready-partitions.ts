import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'

/** What is ready of several partitions, taken in turn: of one until it has nothing more, for neighbours share a commit. */
export class ReadyPartitions {
  /** In the order in which they are taken from. */
  #turn: AssignedPartition[] = []
  /** How many deliveries are ready, and their bytes, without those of partitions that are paused. */
  size = 0
  bytes = 0

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
    for (let tried = this.#turn.length; tried > 0; tried--) {
      const delivery = this.takeOf(this.#turn[0]!)
      if (delivery !== undefined) return delivery
      this.#turn.push(this.#turn.shift()!)
    }
    return undefined
  }

  takeOf({ ready, paused }: AssignedPartition): Delivery | undefined {
    const [size, bytes] = [ready.size, ready.bytes]
    if (size === 0 || paused) return undefined
    const delivery = ready.shift()
    // Those that meanwhile were acknowledged are gone as well.
    this.size += ready.size - size
    this.bytes += ready.bytes - bytes
    return delivery
  }
}
