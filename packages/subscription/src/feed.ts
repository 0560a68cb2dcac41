import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'

/** Where deliveries come from: a topic, or several of them taken in turn. */
export interface Feed {
  /** The next delivery if there is one at once. With `partition` only if it is of that one. */
  take(partition?: AssignedPartition): Delivery | undefined
  /** Somebody waits for more; `wake` of the one who opened it is called when there is some. */
  demand(): void
  /** What is acknowledged now becomes durable. */
  commit(): Promise<void>
  /** Nothing more is fetched or given out; what was given out can still be acknowledged until `leave`. */
  stop(): void
  /** Commits, and gives the partitions to the others of the group. */
  leave(): Promise<void>
}

/** Who takes deliveries from feeds. */
export interface Taker {
  /** There may be something to take. */
  wake(): void
  /** Nothing can go on. */
  fail(error: unknown): void
}
