import type { PartitionLag } from '@aegis/log'
import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'
import type { SubscriptionStatus } from './status.ts'

/** Where to go on: `offset` in the topic, `time` of appending in milliseconds. */
export type SeekTo = 'earliest' | 'latest' | { readonly offset: number } | { readonly time: number }

/** A message names one, too. */
export interface PartitionOfTopic {
  readonly topic: string
  readonly partition: number
}

/** How many records of a partition the group has still to read, by its committed position. */
export interface TopicLag extends PartitionLag {
  readonly topic: string
}

/** Where deliveries come from: a topic, or several of them taken in turn. */
export interface Feed {
  readonly topic: string
  /** The next delivery if there is one at once. With `partition` only if it is of that one. */
  take(partition?: AssignedPartition): Delivery | undefined
  /** Somebody waits for more; `wake` of the one who opened it is called when there is some. */
  demand(): void
  /** Goes on from another place, in the partitions that it has or `only` in this one; resolves when that is durable. What was handed over before is not acknowledged any more. */
  seek(to: SeekTo, only?: number): Promise<void>
  /** Hands over nothing of a partition, or everything again; of one that it does not have there is nothing to do. */
  pause(partition: number, paused: boolean): void
  lag(): Promise<TopicLag[]>
  /** What is acknowledged now becomes durable. */
  commit(): Promise<void>
  /** Nothing more is fetched or given out; what was given out can still be acknowledged until `leave`. */
  stop(): void
  /** Commits, and gives the partitions to the others of the group. */
  leave(): Promise<void>
}

/** Who takes deliveries from feeds. */
export interface Taker {
  /** What waits for its next attempt is given at once: the taker keeps it, and what has to wait behind it. */
  readonly keepsOrder: boolean
  /** There may be something to take. */
  wake(): void
  /** Nothing can go on. */
  fail(error: unknown): void
  /** The topic of the feed is deleted. */
  ended(feed: Feed): void
  report(status: SubscriptionStatus): void
}
