import {
  catchError,
  defer,
  EMPTY,
  from,
  mergeMap,
  type ObservableInput,
  type OperatorFunction,
  tap,
  toArray,
} from 'rxjs'
import { reasonOf } from './dead-letters.ts'
import type { Delivered } from './delivery.ts'

export interface AckAfterOptions {
  /** How many are at work at the same time. Default 1: one after the other, in order. */
  readonly concurrency?: number
}

/**
 * Does something with each item and acknowledges it when that has completed; gives on what it gave. When it fails, the item
 * is refused with the error as the reason, and is delivered again or goes to the dead letters as the subscription says: the
 * stream goes on.
 *
 * An Observable cannot push back: items that come while `concurrency` others are at work wait in memory. How many that may
 * be is bounded by the subscription of a group, which does not fetch more than 10,000 unacknowledged records of a partition.
 */
export function ackAfter<Item extends Pick<Delivered, 'ack' | 'nack'>, Result>(
  work: (item: Item) => ObservableInput<Result>,
  { concurrency = 1 }: AckAfterOptions = {},
): OperatorFunction<Item, Result> {
  return mergeMap(
    item =>
      defer(() => from(work(item))).pipe(
        toArray(),
        tap(() => item.ack()),
        mergeMap(results => results),
        catchError((error: unknown) => {
          item.nack({ reason: reasonOf(error) })
          return EMPTY
        }),
      ),
    concurrency,
  )
}
