import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'
import type { RunSettings } from './settings.ts'

/** What is to stay in order: one delivery of a lane is at work, the others wait behind it. */
export class Lanes {
  readonly #order: RunSettings['order']
  readonly #busy = new Map<AssignedPartition, Map<string, Delivery[]>>()
  /** How many wait behind others, and their bytes. */
  waiting = 0
  bytes = 0

  constructor(order: RunSettings['order']) {
    this.#order = order
  }

  /** Whether the delivery may begin; else it waits behind the one of its lane that is at work. */
  enter(delivery: Delivery): boolean {
    const name = this.#nameOf(delivery)
    if (name === undefined) return true
    let lanes = this.#busy.get(delivery.partition)
    if (lanes === undefined) this.#busy.set(delivery.partition, (lanes = new Map()))
    const queue = lanes.get(name)
    if (queue === undefined) {
      lanes.set(name, [])
      return true
    }
    queue.push(delivery)
    this.waiting++
    this.bytes += delivery.bytes
    return false
  }

  /** How many of its lane are before it. */
  ahead(delivery: Delivery): number {
    const name = this.#nameOf(delivery)
    const queue = name === undefined ? undefined : this.#busy.get(delivery.partition)?.get(name)
    return queue === undefined ? 0 : queue.length + 1
  }

  /** The next of the lane of a delivery that is done with; it is at work now. */
  leave(delivery: Delivery): Delivery | undefined {
    const lanes = this.#busy.get(delivery.partition)
    const name = lanes === undefined ? undefined : this.#nameOf(delivery)
    if (lanes === undefined || name === undefined) return undefined
    const next = lanes.get(name)?.shift()
    if (next !== undefined) {
      this.waiting--
      this.bytes -= next.bytes
      return next
    }
    lanes.delete(name)
    if (lanes.size === 0) this.#busy.delete(delivery.partition)
    return undefined
  }

  /** Whether others have to wait for the delivery. */
  hold(delivery: Delivery): boolean {
    return this.#nameOf(delivery) !== undefined
  }

  /** Whether nothing is at work that others would have to wait for. */
  get free(): boolean {
    return this.#busy.size === 0
  }

  /** Messages without a key are in no lane. */
  #nameOf({ record }: Delivery): string | undefined {
    if (this.#order === 'none') return undefined
    if (this.#order === 'partition') return ''
    const { key } = record
    return key === null ? undefined : Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
  }
}
