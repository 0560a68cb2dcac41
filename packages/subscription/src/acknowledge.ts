import type { Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Committer } from './committer.ts'
import type { Delivery } from './delivery.ts'
import type { PartitionWindow } from './partition-window.ts'

interface Source {
  readonly delivery: Delivery
  readonly committer: Committer
}

const sources = new WeakMap<object, Source>()
const staged = new WeakMap<Transaction, Map<PartitionWindow, number[]>>()

/** Remembers where an item comes from, for `acknowledge`. */
export function remember(item: object, delivery: Delivery, committer: Committer): void {
  sources.set(item, { delivery, committer })
}

/**
 * Acknowledges an item of a subscription with a group inside a transaction: if it commits, the item is not delivered to
 * the group again; if it does not, nothing has happened. If the item's partition was taken away meanwhile, the
 * transaction is refused with `GENERATION_FENCED`.
 * @throws AegisError `ACK_UNKNOWN`
 */
export function acknowledge(tx: Transaction, item: object): void {
  const source = sources.get(item)
  if (source === undefined) {
    throw new AegisError('ACK_UNKNOWN', 'only items of a subscription with a groupId are acknowledged in a transaction')
  }
  const { delivery, committer } = source
  let windows = staged.get(tx)
  if (windows === undefined) staged.set(tx, (windows = new Map()))
  const slots = windows.get(delivery.window)
  if (slots !== undefined) {
    slots.push(delivery.slot)
    return
  }
  const first = [delivery.slot]
  windows.set(delivery.window, first)
  committer.stage(tx, delivery.window, first)
}
