import type { Durability, Operation, Storage } from '@aegis/storage'
import { batchKey, counterKey, u64 } from '../keys.ts'
import { type BatchRecord, encodeRecordBatch } from '../record-batch.ts'
import type { TopicState } from './topic-state.ts'

/** A storage key as a map key; compares like its bytes. */
export const keyText = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')

interface Append {
  readonly topic: TopicState
  readonly partition: number
  readonly record: BatchRecord
}

/** What one request wants to write; it counts only if the request's decision does not throw. */
export class Stage {
  readonly writes = new Map<string, Operation>()
  readonly appends: Append[] = []
  readonly #base: ReadonlyMap<string, Uint8Array | undefined>
  readonly written: ReadonlySet<string>

  constructor(base: ReadonlyMap<string, Uint8Array | undefined>, written: ReadonlySet<string>) {
    this.#base = base
    this.written = written
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const id = keyText(key)
    const own = this.writes.get(id)
    return own === undefined ? this.#base.get(id) : own.type === 'put' ? own.value : undefined
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.writes.set(keyText(key), { type: 'put', key, value })
  }

  delete(key: Uint8Array): void {
    this.writes.set(keyText(key), { type: 'delete', key })
  }
}

export interface Request {
  /** Keys that the decision looks at. */
  readonly reads: readonly Uint8Array[]
  /** Rough size, to bound a commit. */
  readonly bytes: number
  /** Decides synchronously, in order; throwing refuses the request and writes nothing. */
  decide(stage: Stage, now: number): void
  /** Called when it is durable, in the turn in which it becomes visible; must not throw. */
  committed?(): void
}

interface Queued extends Request {
  resolve(): void
  reject(error: unknown): void
}

const maxCommitBytes = 8_000_000

/**
 * The one place where things are put in order. Requests that wait while a commit is in flight go into the next,
 * so that one fsync serves all; each is decided against everything before it.
 */
export class Sequencer {
  /** How many commits are durable. */
  commits = 0
  readonly #storage: Storage
  readonly #durability: Durability
  readonly #now: () => number
  #queue: Queued[] = []
  #running: Promise<void> | undefined
  readonly #snapshots = new Map<object, number>()
  #recent: { commit: number; keys: readonly string[] }[] = []

  constructor(storage: Storage, durability: Durability, now: () => number) {
    this.#storage = storage
    this.#durability = durability
    this.#now = now
  }

  submit(request: Request): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push(Object.assign(Object.create(request) as Request, { resolve, reject }))
      // One turn later: all that the caller publishes in this turn shares the commit.
      this.#running ??= Promise.resolve().then(() => this.#run())
    })
  }

  /** Writes from now on are remembered until `release`, for `changedSince`. */
  remember(owner: object): void {
    this.#snapshots.set(owner, this.commits)
  }

  release(owner: object): void {
    this.#snapshots.delete(owner)
    const oldest = Math.min(...this.#snapshots.values())
    this.#recent = this.#recent.filter(commit => commit.commit > oldest)
  }

  /** Whether a key that `matches` was written since the owner began to remember. */
  changedSince(owner: object, matches: (key: string) => boolean): boolean {
    const since = this.#snapshots.get(owner) ?? 0
    return this.#recent.some(commit => commit.commit > since && commit.keys.some(matches))
  }

  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      let bytes = 0
      let count = 0
      while (count < this.#queue.length && (count === 0 || bytes < maxCommitBytes)) bytes += this.#queue[count++]!.bytes
      await this.#commit(this.#queue.splice(0, count))
    }
    this.#running = undefined
  }

  async #commit(requests: readonly Queued[]): Promise<void> {
    const refused = new Map<Queued, unknown>()
    try {
      const writes = new Map<string, Operation>()
      const topics = new Set<TopicState>()
      const batches = new Map<TopicState, Map<number, BatchRecord[]>>()
      const values = await this.#prefetch(requests)
      const written = new Set<string>()
      const now = this.#now()
      for (const request of requests) {
        const stage = new Stage(values, written)
        try {
          request.decide(stage, now)
        } catch (error) {
          refused.set(request, error)
          continue
        }
        for (const [id, operation] of stage.writes) {
          writes.set(id, operation)
          written.add(id)
          values.set(id, operation.type === 'put' ? operation.value : undefined)
        }
        for (const { topic, partition, record } of stage.appends) {
          topics.add(topic)
          let partitions = batches.get(topic)
          if (partitions === undefined) batches.set(topic, (partitions = new Map()))
          const records = partitions.get(partition)
          if (records === undefined) partitions.set(partition, [record])
          else records.push(record)
        }
      }
      const operations = [...writes.values()]
      for (const [topic, partitions] of batches) {
        topic.lastAppendTime = Math.max(topic.lastAppendTime, now)
        for (const [partition, records] of partitions) operations.push(this.#batch(topic, partition, records))
        operations.push({
          type: 'put',
          key: counterKey(topic.config.id),
          value: Buffer.concat([u64(topic.nextOffset), u64(topic.lastAppendTime)]),
        })
      }
      const ends = [...topics].map(topic => [topic, topic.nextOffset] as const)
      if (operations.length > 0) await this.#storage.commit(operations, { durability: this.#durability })
      // From here to the last resolve nothing waits: everything of one commit shows at once.
      this.commits++
      if (this.#snapshots.size > 0) this.#recent.push({ commit: this.commits, keys: [...written] })
      for (const [topic, end] of ends) {
        topic.endOffset = end
        topic.wake()
      }
    } catch (error) {
      // The outcome of the write is unknown and the storage takes no more: every caller must hear of it.
      for (const request of requests) request.reject(error)
      return
    }
    for (const request of requests) {
      if (refused.has(request)) {
        request.reject(refused.get(request))
        continue
      }
      request.committed?.()
      request.resolve()
    }
  }

  async #prefetch(requests: readonly Request[]): Promise<Map<string, Uint8Array | undefined>> {
    const keys = new Map<string, Uint8Array>()
    for (const request of requests) for (const key of request.reads) keys.set(keyText(key), key)
    if (keys.size === 0) return new Map()
    const values = await this.#storage.getMany([...keys.values()])
    return new Map([...keys.keys()].map((id, at) => [id, values[at]]))
  }

  #batch(topic: TopicState, partition: number, records: readonly BatchRecord[]): Operation {
    const first = records[0]!.offset
    const last = records.at(-1)!.offset
    const envelope = Buffer.concat([u64(topic.lastAppendTime), u64(this.commits + 1)])
    const value = Buffer.concat([envelope, encodeRecordBatch(records, { baseOffset: first })])
    return { type: 'put', key: batchKey(topic.config.id, partition, last), value }
  }
}

/** Bytes before the RecordBatch in a stored batch: append time and commit number. */
export const envelopeBytes = 16
