import type { GroupMember, Log, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'
import { lapsedError } from './lease.ts'

// One commit for each acknowledgement would be one fsync for each; so much may be delivered again after a crash.
const interval = 100
const most = 1000

/** Commits what a group has acknowledged, in the background and when asked. */
export class Committer {
  readonly #log: Log
  readonly #topic: string
  readonly #groupId: string
  readonly #failed: (error: unknown) => void
  readonly #waiting = new Set<AssignedPartition>()
  #acknowledged = 0
  #timer: NodeJS.Timeout | undefined
  /** Whether a commit in the background is on its way; what comes in meanwhile goes into the next. */
  #committing = false
  member: GroupMember | undefined

  constructor(log: Log, topic: string, groupId: string, failed: (error: unknown) => void) {
    this.#log = log
    this.#topic = topic
    this.#groupId = groupId
    this.#failed = failed
  }

  /** Something of the partition has changed and is to be committed before long. */
  touch(partition: AssignedPartition): void {
    this.#waiting.add(partition)
    if (++this.#acknowledged >= most && !this.#committing) this.#background()
    else this.#timer ??= setTimeout(() => this.#background(), interval)
  }

  /**
   * Commits what is acknowledged of the partitions; resolves when it is durable, what was on its way already too, for commits of
   * a partition keep their order. What is another's now is left to that one, which delivers again what was not committed.
   */
  async commit(partitions: Iterable<AssignedPartition>): Promise<void> {
    await this.#commit([...partitions].filter(({ unconfirmed }) => unconfirmed))
  }

  /** The same for those who must know. @throws AegisError `GENERATION_FENCED` when it is another's now */
  async confirm(partitions: Iterable<AssignedPartition>): Promise<void> {
    const unconfirmed = [...partitions].filter(partition => partition.unconfirmed)
    // All of them come to their end, also beside one that fails: what is given away is released then.
    const outcomes = await Promise.allSettled(unconfirmed.map(partition => this.#store(partition)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  async #commit(partitions: readonly AssignedPartition[]): Promise<void> {
    await Promise.all(
      partitions.map(partition =>
        this.#store(partition).catch((error: unknown) => {
          if (!AegisError.is(error, 'GENERATION_FENCED')) throw error
        }),
      ),
    )
  }

  #store(partition: AssignedPartition): Promise<void> {
    return this.#log.transaction(tx => this.stage(tx, partition, []))
  }

  /**
   * Adds the partition's position to a transaction, as it is when the transaction has its place in the order of commits,
   * with `deliveries` acknowledged then: so commits side by side never undo one another.
   */
  stage(tx: Transaction, partition: AssignedPartition, deliveries: readonly Delivery[]): void {
    const { member } = this
    const { window } = partition
    let at = 0
    tx.commitPosition({
      groupId: this.#groupId,
      topic: this.#topic,
      partition: partition.partition,
      ...(member !== undefined && { member }),
      decide: () => {
        if (partition.released) {
          throw new AegisError(
            'GENERATION_FENCED',
            `partition ${partition.partition} of ${this.#topic} was taken from this member of group ${this.#groupId}`,
          )
        }
        const late = deliveries.find(({ lapsed }) => lapsed)
        if (late !== undefined) throw lapsedError(late)
        at = window.changes
        return window.expect(deliveries)
      },
      refused: () => window.withdraw(deliveries),
    })
    tx.onCommit(() => {
      window.confirm(deliveries, at)
      for (const delivery of deliveries) delivery.confirm()
    })
    partition.retries?.stage(tx, deliveries)
  }

  /** Nothing is committed in the background until something is touched again. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#acknowledged = 0
    this.#waiting.clear()
  }

  #background(): void {
    const partitions = [...this.#waiting]
    this.stop()
    this.#committing = true
    this.#commit(partitions.filter(({ dirty }) => dirty))
      .catch(this.#failed)
      .finally(() => {
        this.#committing = false
        if (this.#acknowledged >= most) this.#background()
      })
  }
}
