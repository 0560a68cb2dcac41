import type { Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { AssignedPartition } from './assigned-partition.ts'
import { Delivery, delivered } from './delivery.ts'

const remembered = new WeakMap<object, Delivery>()
const staged = new WeakMap<Transaction, Map<AssignedPartition, Delivery[]>>()

/** Remembers where an item comes from, for `acknowledge`, unless the item tells it. */
export function remember(item: object, delivery: Delivery): void {
  if (!(delivered in item)) remembered.set(item, delivery)
}

/**
 * Acknowledges an item of a subscription with a group inside a transaction: if it commits, the item is not delivered to
 * the group again; if it does not, nothing has happened. If the item's partition was taken away meanwhile, the
 * transaction is refused with `GENERATION_FENCED`.
 * @throws AegisError `ACK_UNKNOWN`
 */
export function acknowledge(tx: Transaction, item: object): void {
  const delivery = delivered in item ? item[delivered] : remembered.get(item)
  if (!(delivery instanceof Delivery) || !delivery.partition.source.grouped) {
    throw new AegisError('ACK_UNKNOWN', 'only items of a subscription with a groupId are acknowledged in a transaction')
  }
  const { partition } = delivery
  let partitions = staged.get(tx)
  if (partitions === undefined) staged.set(tx, (partitions = new Map()))
  const deliveries = partitions.get(partition)
  if (deliveries !== undefined) {
    deliveries.push(delivery)
    partition.retries?.stage(tx, [delivery])
    return
  }
  const first = [delivery]
  partitions.set(partition, first)
  partition.source.stage(tx, partition, first)
}
