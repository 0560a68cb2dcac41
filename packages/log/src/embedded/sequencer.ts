import { AegisError, type Durability, type Operation, type Storage } from '@aegis/storage'
import type { AppendOptions, OutgoingRecord, Receipt, RecordPosition } from '../log.ts'
import { checkedRecords, checkRecord, decideAppend, decideOne, decidePlain, prepareAppend } from './append.ts'
import { Commit } from './commit.ts'
import { RecentWrites } from './recent-writes.ts'
import { keyText, Stage } from './stage.ts'
import { closedError } from './stored-reads.ts'
import { Tail } from './tail.ts'
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

/** A commit is not gathered beyond it: of two of a size one is encoded while the other is written, of a small and a large one hardly anything. */
const maxCommitBytes = 1_000_000
/** A commit of this size is worth an fsync of its own: it starts at once, and the next is gathered meanwhile. */
const promptBytes = 32_000
/** With so many commits waiting, requests queue instead of being decided. */
const maxPending = 8
const maxPrefetched = 1_000

/**
 * The one place where things are put in order. Each request is decided synchronously against everything decided before
 * it, durable or not; what comes in while a commit is in flight goes into the next, so that one fsync serves all.
 * Speculating is safe because a failed write fences: nothing decided after it can become durable.
 */
export class Sequencer {
  /** Number of the last durable commit. */
  commits = 0
  readonly recent = new RecentWrites(this)
  /** What is known of a stored value, and durable, without asking storage. */
  known: (id: string) => Uint8Array | undefined = () => undefined
  /** Told of the writes of each commit in the turn in which it becomes visible. */
  observe: (writes: ReadonlyMap<string, Operation>) => void = nothing
  readonly #storage: Storage
  readonly #durability: Durability
  readonly #now: () => number
  readonly #tail = new Tail()
  /** Waits for stored values, in order; while there is something here, nothing overtakes it. */
  #queue: Queued[] = []
  #draining: Promise<void> | undefined
  /** Decided and not durable: the first may be in flight, the last is being gathered. */
  readonly #pending: Commit[] = []
  #inFlight: Commit | undefined
  #scheduled = false
  /** Values of commits that became durable since stored values were asked for that are still to be decided on. */
  readonly #retired = new Map<string, Uint8Array | undefined>()
  #fetching = false
  #progress: (() => void)[] = []
  #failure: unknown
  #closed = false

  constructor(storage: Storage, durability: Durability, now: () => number) {
    this.#storage = storage
    this.#durability = durability
    this.#now = now
  }

  get pending(): readonly Commit[] {
    return this.#pending
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
    const commit = this.#gathering()
    const receipt = decidePlain(topic, list, commit, this.#now())
    this.#schedule(commit)
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
    const commit = this.#gathering()
    const position = decideOne(topic, record, commit, this.#now())
    this.#schedule(commit)
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
    while (this.#pending.length > 0) await this.#oneCommit()
  }

  #free(): boolean {
    return this.#draining === undefined && this.#pending.length <= maxPending
  }

  #enqueue(queued: Queued): void {
    this.#queue.push(queued)
    // One turn later: what is asked for in this turn is fetched together.
    this.#draining ??= Promise.resolve().then(() => this.#drain())
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      while (this.#pending.length > maxPending) await this.#oneCommit()
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
    for (let at = this.#pending.length - 1; at >= 0; at--) {
      const operation = this.#pending[at]!.writes.get(id)
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
    const commit = this.#gathering()
    if (refusal === undefined) {
      commit.apply(stage, now)
      commit.waiters.push({ committed: () => request.committed?.(), resolve, reject })
    } else {
      // It may rest on something that is not durable yet, so it is reported when that is.
      const { error } = refusal
      commit.waiters.push({ committed: nothing, resolve: () => reject(error), reject })
    }
    this.#schedule(commit)
  }

  #gathering(): Commit {
    const last = this.#pending.at(-1)
    if (last !== undefined && last !== this.#inFlight && last.bytes < maxCommitBytes) return last
    const commit = new Commit((last?.number ?? this.commits) + 1)
    this.#pending.push(commit)
    return commit
  }

  #schedule(commit: Commit): void {
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

  #start(): void {
    const commit = this.#pending[0]
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
    this.commits = commit.number
    this.recent.add(commit)
    this.observe(commit.writes)
    if (this.#fetching) {
      for (const [id, operation] of commit.writes) {
        this.#retired.set(id, operation.type === 'put' ? operation.value : undefined)
      }
    }
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
    this.#pending.shift()
    this.#inFlight = undefined
    this.#start()
    const progress = this.#progress
    this.#progress = []
    for (const resolve of progress) resolve()
  }

  #oneCommit(): Promise<void> {
    return new Promise(resolve => this.#progress.push(resolve))
  }
}

const nothing = (): void => undefined

/** What was not tried at all says itself why, and what is to be done. */
const isRefusal = (error: unknown): boolean =>
  ['STORAGE_CORRUPT', 'STORAGE_READ_ONLY', 'STORAGE_FENCED'].some(code => AegisError.is(error, code))
