import type { Durability, Operation, Storage } from '@aegis/storage'
import type { AppendOptions, OutgoingRecord, Receipt, RecordPosition } from '../log.ts'
import { checkedRecords, checkRecord, decideAppend, decideOne, decidePlain, prepareAppend } from './append.ts'
import type { Commit } from './commit.ts'
import { CommitQueue } from './commit-queue.ts'
import { RecentWrites } from './recent-writes.ts'
import { keyText, Stage } from './stage.ts'
import { closedError } from './stored-reads.ts'
import type { TopicState } from './topic-state.ts'

export interface Request {
  /** Keys that the decision looks at. */
  readonly reads: readonly Uint8Array[]
  /** Decides synchronously, in order; throwing refuses the request and writes nothing. */
  decide(stage: Stage, now: number): void
  /** Called when it is durable, in the turn in which it becomes visible; must not throw. */
  committed?(): void
}

interface Queued {
  readonly request: Request
  resolve(): void
  reject(error: unknown): void
}

/** Stored values are fetched for so many requests at once. */
const maxPrefetched = 1_000

/**
 * The one place where things are put in order. Each request is decided synchronously against everything decided before
 * it, durable or not; what comes in while a commit is in flight goes into the next, so that one fsync serves all.
 * Speculating is safe because a failed write fences: nothing decided after it can become durable.
 */
export class Sequencer {
  readonly recent = new RecentWrites(this)
  /** What is known of a stored value, and durable, without asking storage. */
  known: (id: string) => Uint8Array | undefined = () => undefined
  /** Told of the writes of each commit in the turn in which it becomes visible. */
  observe: (writes: ReadonlyMap<string, Operation>) => void = nothing
  readonly #storage: Storage
  readonly #now: () => number
  readonly #commits: CommitQueue
  /** Waits for stored values, in order; while there is something here, nothing overtakes it. */
  #queue: Queued[] = []
  #draining: Promise<void> | undefined
  /** Values of commits that became durable since stored values were asked for that are still to be decided on. */
  readonly #retired = new Map<string, Uint8Array | undefined>()
  #fetching = false
  #closed = false

  constructor(storage: Storage, durability: Durability, now: () => number) {
    this.#storage = storage
    this.#now = now
    this.#commits = new CommitQueue(storage, durability, now, commit => this.#visible(commit))
  }

  /** Number of the last durable commit. */
  get commits(): number {
    return this.#commits.durable
  }

  /** The stored commits end with this one. */
  startAfter(commit: number): void {
    this.#commits.durable = Math.max(this.#commits.durable, commit)
  }

  /** Decided and not durable. */
  get pending(): readonly Commit[] {
    return this.#commits.pending
  }

  submit(request: Request): Promise<void> {
    if (this.#closed) return Promise.reject(closedError())
    return new Promise((resolve, reject) => {
      const queued = { request, resolve, reject }
      if (request.reads.length === 0 && this.#free()) this.#decide(queued, undefined)
      else this.#enqueue(queued)
    })
  }

  /** Writes what needs nothing read before. */
  write(decide: Request['decide']): Promise<void> {
    return this.submit({ reads: [], decide })
  }

  /** An append of its own. To a topic that is not keyed it goes straight into the batch that is being gathered. */
  append(
    topic: TopicState,
    records: OutgoingRecord | readonly OutgoingRecord[],
    options: AppendOptions,
  ): Promise<Receipt> {
    if (this.#closed) return Promise.reject(closedError())
    const { expected = 'any', producer } = options
    if (topic.config.keyed !== 'none' || expected !== 'any' || producer !== undefined || !this.#free()) {
      return this.#appendQueued(topic, records, options)
    }
    const list = checkedRecords(topic, records)
    const commit = this.#commits.gathering()
    const receipt = decidePlain(topic, list, commit, this.#now())
    this.#commits.schedule(commit)
    return commit.durable.then(() => receipt)
  }

  /**
   * As `append`. The promise of the commit is one for all, and what is made of it for each record is all that is made:
   * with a promise, callbacks, a list and a receipt of its own, a record costs twice as much (docs/benchmarks.md).
   */
  appendOne(topic: TopicState, record: OutgoingRecord): Promise<RecordPosition> {
    if (this.#closed) return Promise.reject(closedError())
    if (topic.config.keyed !== 'none' || !this.#free()) {
      return this.#appendQueued(topic, record, {}).then(({ positions }) => positions[0]!)
    }
    checkRecord(topic, record)
    const commit = this.#commits.gathering()
    const position = decideOne(topic, record, commit, this.#now())
    this.#commits.schedule(commit)
    return commit.durable.then(() => position)
  }

  #appendQueued(
    topic: TopicState,
    records: OutgoingRecord | readonly OutgoingRecord[],
    options: AppendOptions,
  ): Promise<Receipt> {
    const prepared = prepareAppend(topic, records, options)
    const receipt: { positions: Receipt['positions'] } = { positions: [] }
    const decide = (stage: Stage, now: number): void => {
      receipt.positions = decideAppend(prepared, stage, now)
    }
    return new Promise((resolve, reject) => {
      this.#enqueue({ request: { reads: prepared.reads, decide }, resolve: () => resolve(receipt), reject })
    })
  }

  /** What was submitted before is still written, nothing after. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#draining !== undefined) await this.#draining
    while (this.pending.length > 0) await this.#commits.oneCommit()
  }

  #free(): boolean {
    return this.#draining === undefined && !this.#commits.full
  }

  #enqueue(queued: Queued): void {
    this.#queue.push(queued)
    // One turn later: what is asked for in this turn is fetched together.
    this.#draining ??= Promise.resolve().then(() => this.#drain())
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      while (this.#commits.full) await this.#commits.oneCommit()
      const chunk = this.#queue.splice(0, maxPrefetched)
      // Until they are decided: a commit that becomes durable between the fetch and the decision makes its values stale.
      this.#fetching = true
      // What one of them wants to know may be damaged: that is no reason to refuse the others.
      if (!(await this.#decideAll(chunk))) for (const queued of chunk) await this.#decideAll([queued])
      this.#fetching = false
      this.#retired.clear()
    }
    this.#draining = undefined
  }

  /** Whether it was done; of one alone it is told why not. */
  async #decideAll(chunk: readonly Queued[]): Promise<boolean> {
    try {
      const values = await this.#prefetch(chunk)
      for (const queued of chunk) this.#decide(queued, values)
      return true
    } catch (error) {
      if (chunk.length === 1) chunk[0]!.reject(error)
      return chunk.length === 1
    }
  }

  async #prefetch(chunk: readonly Queued[]): Promise<Map<string, Uint8Array | undefined>> {
    const keys = new Map<string, Uint8Array>()
    const values = new Map<string, Uint8Array | undefined>()
    for (const { request } of chunk) {
      for (const key of request.reads) {
        const id = keyText(key)
        const value = this.known(id)
        if (value === undefined) keys.set(id, key)
        else values.set(id, value)
      }
    }
    if (keys.size === 0) return values
    const found = await this.#storage.getMany([...keys.values()])
    let at = 0
    for (const id of keys.keys()) values.set(id, found[at++])
    return values
  }

  #lookup(id: string, fetched: ReadonlyMap<string, Uint8Array | undefined> | undefined): Uint8Array | undefined {
    const { pending } = this
    for (let at = pending.length - 1; at >= 0; at--) {
      const operation = pending[at]!.writes.get(id)
      if (operation !== undefined) return operation.type === 'put' ? operation.value : undefined
    }
    return this.#retired.has(id) ? this.#retired.get(id) : fetched?.get(id)
  }

  #decide(
    { request, resolve, reject }: Queued,
    fetched: ReadonlyMap<string, Uint8Array | undefined> | undefined,
  ): void {
    const now = this.#now()
    const stage = new Stage(id => this.#lookup(id, fetched))
    let refusal: { error: unknown } | undefined
    try {
      request.decide(stage, now)
    } catch (error) {
      stage.undo()
      refusal = { error }
    }
    const commit = this.#commits.gathering()
    if (refusal === undefined) {
      commit.apply(stage, now)
      commit.waiters.push({ committed: () => request.committed?.(), resolve, reject })
    } else {
      // It may rest on something that is not durable yet, so it is reported when that is.
      const { error } = refusal
      commit.waiters.push({ committed: nothing, resolve: () => reject(error), reject })
    }
    this.#commits.schedule(commit)
  }

  #visible(commit: Commit): void {
    this.recent.add(commit)
    this.observe(commit.writes)
    if (!this.#fetching) return
    for (const [id, operation] of commit.writes) {
      this.#retired.set(id, operation.type === 'put' ? operation.value : undefined)
    }
  }
}

const nothing = (): void => undefined
