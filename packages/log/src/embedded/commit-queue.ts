import { AegisError, type Durability, type Storage } from '@aegis/storage'
import { Commit } from './commit.ts'
import { Tail } from './tail.ts'

/** A commit is not gathered beyond it: of two of one size the second is encoded while the first is written. */
const maxCommitBytes = 1_000_000
/** A commit of this size is worth an fsync of its own: it starts at once, and the next is gathered meanwhile. */
const promptBytes = 32_000
/** With more commits waiting nothing more is decided. */
const maxPending = 8

/** Writes commits one after the other: while one is in flight the next is gathered, so that one fsync serves all. */
export class CommitQueue {
  /** Number of the last durable commit. */
  durable = 0
  /** Decided and not durable: the first may be in flight, the last is being gathered. */
  readonly pending: Commit[] = []
  readonly #storage: Storage
  readonly #durability: Durability
  readonly #now: () => number
  readonly #visible: (commit: Commit) => void
  readonly #tail = new Tail()
  #inFlight: Commit | undefined
  #scheduled = false
  #progress: (() => void)[] = []
  #failure: unknown

  /** `visible` is told of each commit that is durable, in the turn in which it becomes visible and before anybody hears of it. */
  constructor(storage: Storage, durability: Durability, now: () => number, visible: (commit: Commit) => void) {
    this.#storage = storage
    this.#durability = durability
    this.#now = now
    this.#visible = visible
  }

  get full(): boolean {
    return this.pending.length > maxPending
  }

  /** The commit that takes what is decided now; `schedule` is to be called when it has it. */
  gathering(): Commit {
    const last = this.pending.at(-1)
    if (last !== undefined && last !== this.#inFlight && last.bytes < maxCommitBytes) return last
    const commit = new Commit((last?.number ?? this.durable) + 1)
    this.pending.push(commit)
    return commit
  }

  schedule(commit: Commit): void {
    if (this.#inFlight !== undefined) return
    if (commit.bytes >= promptBytes) {
      this.#start()
      return
    }
    if (this.#scheduled) return
    this.#scheduled = true
    // One turn later: all that is asked for in this turn shares the commit.
    queueMicrotask(() => {
      this.#scheduled = false
      this.#start()
    })
  }

  /** Resolves when one more commit is durable or has failed. */
  oneCommit(): Promise<void> {
    return new Promise(resolve => this.#progress.push(resolve))
  }

  #start(): void {
    const commit = this.pending[0]
    if (this.#inFlight !== undefined || commit === undefined) return
    this.#inFlight = commit
    void this.#write(commit)
  }

  /** Never rejects: who waits for the commit hears of its failure. */
  async #write(commit: Commit): Promise<void> {
    try {
      // Waits in any case, failed or not: who waits for the commit before must hear of it first, and who has just
      // asked for this one takes its promise only then.
      await this.#store(commit)
    } catch (error) {
      this.#failure ??= isRefusal(error)
        ? error
        : new AegisError(
            'STORAGE_FENCED',
            'an earlier write of the log failed and its outcome is unknown: close the log and open it again',
            { cause: error },
          )
      this.#next()
      commit.fail(error)
      return
    }
    // From here to the last resolve nothing waits: everything of one commit shows at once.
    this.durable = commit.number
    this.#visible(commit)
    commit.publish(this.#tail)
    for (const { committed } of commit.waiters) committed()
    this.#next()
    commit.resolve()
  }

  async #store(commit: Commit): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const operations = commit.finish(this.#now())
    if (operations.length > 0) await this.#storage.commit(operations, { durability: this.#durability })
  }

  /** The disk goes on while those who waited are told. */
  #next(): void {
    this.pending.shift()
    this.#inFlight = undefined
    this.#start()
    const progress = this.#progress
    this.#progress = []
    for (const resolve of progress) resolve()
  }
}

/** What was not tried at all says itself why, and what is to be done. */
const isRefusal = (error: unknown): boolean =>
  ['STORAGE_CORRUPT', 'STORAGE_READ_ONLY', 'STORAGE_FENCED'].some(code => AegisError.is(error, code))
