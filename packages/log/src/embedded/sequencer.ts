import { AegisError, type Durability, type Operation, type Storage } from '@aegis/storage'
import { encodeRecordBatch } from '../batch/encode.ts'
import type { BatchRecord } from '../batch/layout.ts'
import { batchKey, partitionKey } from '../keys.ts'
import { encodeFigures, type PartitionFigures, type PartitionState } from './partition-state.ts'
import { envelopeBytes, writeEnvelope } from './stored-batch.ts'
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
  readonly changes: { topic: TopicState; partition: PartitionState; figures: Partial<PartitionFigures> }[] = []
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

  change(topic: TopicState, partition: PartitionState, figures: Partial<PartitionFigures>): void {
    this.changes.push({ topic, partition, figures })
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
  /** Number of the last durable commit. */
  commits = 0
  readonly #storage: Storage
  readonly #durability: Durability
  readonly #now: () => number
  #queue: Queued[] = []
  #running: Promise<void> | undefined
  #closed = false
  readonly #snapshots = new Map<object, number>()
  #recent: { commit: number; keys: readonly string[] }[] = []

  constructor(storage: Storage, durability: Durability, now: () => number) {
    this.#storage = storage
    this.#durability = durability
    this.#now = now
  }

  submit(request: Request): Promise<void> {
    if (this.#closed) return Promise.reject(new AegisError('LOG_CLOSED', 'the log is closed: open it again'))
    return new Promise((resolve, reject) => {
      this.#queue.push(Object.assign(Object.create(request) as Request, { resolve, reject }))
      // One turn later: all that the caller publishes in this turn shares the commit.
      this.#running ??= Promise.resolve().then(() => this.#run())
    })
  }

  /** Writes what needs nothing read before. */
  write(decide: Request['decide']): Promise<void> {
    return this.submit({ reads: [], bytes: 0, decide })
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

  /** What was submitted before is still written, nothing after. */
  async close(): Promise<void> {
    this.#closed = true
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
      const touched = new Map<PartitionState, TopicState>()
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
        for (const { topic, partition, figures } of stage.changes) {
          partition.decided = { ...partition.decided, ...figures }
          touched.set(partition, topic)
        }
        for (const { topic, partition, record } of stage.appends) {
          touched.set(topic.partitions[partition]!, topic)
          let partitions = batches.get(topic)
          if (partitions === undefined) batches.set(topic, (partitions = new Map()))
          const records = partitions.get(partition)
          if (records === undefined) partitions.set(partition, [record])
          else records.push(record)
        }
      }
      const operations = [...writes.values()]
      for (const [topic, partitions] of batches) {
        for (const [partition, records] of partitions) operations.push(this.#batch(topic, partition, records, now))
      }
      const ends = [...touched].map(([partition, topic]) => {
        partition.decided = { ...partition.decided, commit: this.commits + 1 }
        const key = partitionKey(topic.config.id, partition.partition)
        operations.push({ type: 'put', key, value: encodeFigures(partition.decided) })
        return { topic, partition, figures: partition.decided, end: topic.nextOffset }
      })
      if (operations.length > 0) await this.#storage.commit(operations, { durability: this.#durability })
      // From here to the last resolve nothing waits: everything of one commit shows at once.
      this.commits++
      if (this.#snapshots.size > 0) this.#recent.push({ commit: this.commits, keys: [...written] })
      for (const { topic, partition, figures, end } of ends) {
        partition.durable = figures
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

  #batch(topic: TopicState, partition: number, records: readonly BatchRecord[], now: number): Operation {
    const first = records[0]!.offset
    const last = records.at(-1)!
    const state = topic.partitions[partition]!
    const { endOffset, endOrdinal, bytes, appendTime } = state.decided
    const time = Math.max(appendTime, now)
    const encoded = encodeRecordBatch(records, { baseOffset: first })
    const value = Buffer.allocUnsafe(envelopeBytes + encoded.length)
    writeEnvelope(value, { previousEnd: endOffset, appendTime: time, commit: this.commits + 1, ordinal: endOrdinal })
    value.set(encoded, envelopeBytes)
    state.decided = {
      ...state.decided,
      endOffset: last.offset + 1,
      endOrdinal: endOrdinal + records.length,
      bytes: bytes + value.length,
      newestTimestamp: last.timestamp,
      appendTime: time,
    }
    return { type: 'put', key: batchKey(topic.config.id, partition, last.offset), value }
  }
}
