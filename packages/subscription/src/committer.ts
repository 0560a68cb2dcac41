import type { GroupMember, Log, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { PartitionWindow } from './partition-window.ts'

// One commit for each acknowledgement would be one fsync for each; so much may be delivered again after a crash.
const interval = 100
const most = 1000

/** Commits what a group has acknowledged, in the background and when asked. */
export class Committer {
  readonly #log: Log
  readonly #topic: string
  readonly #groupId: string
  readonly #failed: (error: unknown) => void
  readonly #waiting = new Set<PartitionWindow>()
  #acknowledged = 0
  #timer: NodeJS.Timeout | undefined
  member: GroupMember | undefined

  constructor(log: Log, topic: string, groupId: string, failed: (error: unknown) => void) {
    this.#log = log
    this.#topic = topic
    this.#groupId = groupId
    this.#failed = failed
  }

  /** Something of the window has changed and is to be committed before long. */
  touch(window: PartitionWindow): void {
    this.#waiting.add(window)
    if (++this.#acknowledged >= most) this.#background()
    else this.#timer ??= setTimeout(() => this.#background(), interval)
  }

  /** Commits what is acknowledged of the windows; resolves when it is durable. */
  async commit(windows: Iterable<PartitionWindow>): Promise<void> {
    const dirty = [...windows].filter(window => window.dirty && !window.released)
    await Promise.all(
      dirty.map(window =>
        this.#log
          .transaction(tx => this.stage(tx, window, []))
          .catch((error: unknown) => {
            // Its partition is another's now; that one delivers again what was not committed.
            if (!AegisError.is(error, 'GENERATION_FENCED')) throw error
          }),
      ),
    )
  }

  /**
   * Adds the window's position to a transaction, as it is when the transaction has its place in the order of commits,
   * with `slots` acknowledged then: so commits side by side never undo one another.
   */
  stage(tx: Transaction, window: PartitionWindow, slots: readonly number[]): void {
    const { member } = this
    tx.commitPosition({
      groupId: this.#groupId,
      topic: this.#topic,
      partition: window.partition,
      ...(member !== undefined && { member }),
      decide: () => {
        if (window.released) {
          throw new AegisError(
            'GENERATION_FENCED',
            `partition ${window.partition} of ${this.#topic} was taken from this member of group ${this.#groupId}`,
          )
        }
        return window.expect(slots)
      },
      refused: () => window.withdraw(slots),
    })
    tx.onCommit(() => window.confirm(slots))
  }

  /** Nothing is committed in the background until something is touched again. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#acknowledged = 0
    this.#waiting.clear()
  }

  #background(): void {
    const windows = [...this.#waiting]
    this.stop()
    this.commit(windows).catch(this.#failed)
  }
}
