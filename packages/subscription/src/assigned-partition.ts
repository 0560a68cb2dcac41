import type { CommittedPosition, Transaction } from '@aegis/log'
import type { Delivery } from './delivery.ts'
import { PartitionWindow } from './partition-window.ts'
import { ReadyQueue } from './ready-queue.ts'
import type { RetryQueue } from './retry-queue.ts'

/** What gives out the records of a topic, and takes back what became of them. */
export interface Source {
  readonly topic: string
  /** Whether it is read for a group, so that there is something to acknowledge. */
  readonly grouped: boolean
  /** Whether its partitions are known to be still ours; else those who wait are woken when that is known. */
  readonly confirmed: boolean
  /** Delivers once more, after a while in milliseconds. */
  redeliver(delivery: Delivery, delay: number): void
  /**
   * A delivery is about to happen once more: where every delivery counts before it happens, resolves when that is durable, with
   * `false` when it is not to happen here, because its partition is another's.
   */
  count(delivery: Delivery): Promise<boolean> | undefined
  /** To be called when something of a partition was acknowledged or postponed. */
  touched(partition: AssignedPartition): void
  /** Acknowledges deliveries of one partition and puts them into the retry queue until `due`, in one commit. */
  putAside(deliveries: readonly Delivery[], due: number | ((delivery: Delivery) => number)): Promise<void>
  /** Adds the acknowledgement of deliveries of a partition to a transaction; they may still be added to until it commits. */
  stage(tx: Transaction, partition: AssignedPartition, deliveries: readonly Delivery[]): void
}

/** A partition for as long as it is ours. */
export class AssignedPartition {
  readonly source: Source
  readonly partition: number
  /** Whether there is something to acknowledge: in a group, unless its position is committed ahead. */
  readonly tracked: boolean
  readonly window: PartitionWindow
  /** Where to fetch on. */
  next: number
  readonly ready = new ReadyQueue()
  /** What was taken last. */
  taken: Delivery | undefined = undefined
  /** Counted as delivered before they are handed over, and not handed over yet. */
  readonly counted = new Set<Delivery>()
  /** What the group has put aside of it. */
  retries: RetryQueue | undefined = undefined
  /** It is being given away: nothing more of it is handed over. */
  leaving = false
  /** The partition is another member's now, or the subscription is closed: nothing is acknowledged any more. */
  released = false
  /** Fetching waits until the window is smaller. */
  full = false
  /** Nothing of it is fetched or handed over. */
  paused = false

  constructor(source: Source, partition: number, position: CommittedPosition, tracked: boolean) {
    this.source = source
    this.partition = partition
    this.tracked = tracked
    this.window = new PartitionWindow(position, tracked)
    this.next = position.offset
  }

  /** Counts deliveries that are about to happen. */
  count(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      // One that waits for its time goes on waiting, here or where the partition goes.
      delivery.attempts = this.window.deliver(delivery.slot, this.window.dueAt(delivery.slot))
      this.counted.add(delivery)
    }
  }

  /** Nothing more is handed over: what was counted has not happened. */
  uncount(): void {
    for (const { slot } of this.counted) this.window.undeliver(slot, this.window.dueAt(slot))
    this.counted.clear()
  }

  /** Whether there is something to commit. */
  get dirty(): boolean {
    return !this.released && (this.window.dirty || this.retries?.dirty === true)
  }

  /** Whether there is something to commit, or on its way. */
  get unconfirmed(): boolean {
    return !this.released && (this.window.unconfirmed || this.retries?.dirty === true)
  }
}
