import { AegisError, type StorageReader, type StorageSnapshot } from '@aegis/storage'
import { headKey, latestKey, stateKey } from '../keys.ts'
import type {
  AppendOptions,
  DecidedPosition,
  KeyedRecord,
  KeyHistoryOptions,
  OutgoingRecord,
  PositionCommit,
  Receipt,
  RecordPosition,
  Transaction,
} from '../log.ts'
import { partitionForKey } from '../partitioner.ts'
import { decideAppend, type PreparedAppend, type PreparedRecord, prepareAppend } from './append.ts'
import type { GroupPositions } from './group-positions.ts'
import { withOwnRecords } from './history/own-records.ts'
import { newest, readHistory, scanHistories } from './history/read.ts'
import { checkVersion, truncateHistory } from './history/write.ts'
import { assertKeyed, getLatest, keyedRange, scanLatest, scanState, stateRange } from './keyed-reads.ts'
import type { ReadSet } from './recent-writes.ts'
import type { Request, Sequencer } from './sequencer.ts'
import { keyText, type Stage } from './stage.ts'
import type { StoredReads } from './stored-reads.ts'
import type { TopicState } from './topic-state.ts'

const maxBytes = 16_000_000
const maxAge = 10_000
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/** What a transaction needs of the log that it belongs to. */
export interface TransactionHost {
  readonly storage: StoredReads
  readonly sequencer: Sequencer
  now(): number
  readonly positions: GroupPositions
  state(name: string): TopicState
}

const tooOld = (): AegisError =>
  new AegisError('TRANSACTION_TOO_OLD', `the transaction is older than ${maxAge} ms: make it shorter`)

interface Truncation {
  readonly topic: TopicState
  readonly key: Uint8Array
  readonly before: number
}

/** One attempt of a transaction: a snapshot from its first read on, and its writes until they are submitted. */
export class EmbeddedTransaction implements Transaction {
  readonly #host: TransactionHost
  readonly #began: number
  #snapshot: StorageSnapshot | undefined
  #ended = false
  /** It was too old, and nothing is kept for it any more. */
  #expired = false
  #timer: NodeJS.Timeout | undefined
  /** Reads that have begun and not come to their end. */
  #reading = 0
  #bytes = 0
  readonly #reads = { keys: new Set<string>(), ranges: [] as { gte: string; lt: string }[] } satisfies ReadSet
  readonly #appends: { prepared: PreparedAppend; receipt: { positions?: readonly RecordPosition[] } }[] = []
  /** By the key of the head, the version below which its history is taken away. */
  readonly #truncated = new Map<string, Truncation>()
  readonly #state = new Map<string, { key: Uint8Array; value: Uint8Array | undefined }>()
  readonly #positions: (PositionCommit | DecidedPosition)[] = []
  readonly #callbacks: (() => void)[] = []

  constructor(host: TransactionHost) {
    this.#host = host
    this.#began = host.now()
  }

  append(topic: string, records: OutgoingRecord | readonly OutgoingRecord[], options: AppendOptions = {}): Receipt {
    this.#check()
    const prepared = prepareAppend(this.#host.state(topic), records, options)
    this.#grow(prepared.bytes)
    const receipt: { positions?: readonly RecordPosition[] } = {}
    this.#appends.push({ prepared, receipt })
    return {
      get positions() {
        if (receipt.positions !== undefined) return receipt.positions
        throw new AegisError(
          'TRANSACTION_STATE',
          `the positions of an append to ${topic} are known after the commit: read them there`,
        )
      },
    }
  }

  putState(space: string, key: Uint8Array, value: Uint8Array): void {
    this.#write(stateKey(space, key), value)
  }

  deleteState(space: string, key: Uint8Array): void {
    this.#write(stateKey(space, key), undefined)
  }

  commitPosition(position: PositionCommit | DecidedPosition): void {
    this.#check()
    if (!('decide' in position)) this.#host.positions.check(position)
    this.#positions.push(position)
  }

  onCommit(callback: () => void): void {
    this.#check()
    this.#callbacks.push(callback)
  }

  truncateHistory(topic: string, key: Uint8Array, before: number): void {
    const state = this.#keyedTopic(topic)
    assertKeyed(state, 'history')
    checkVersion(before)
    const head = headKey(state.config.id, key)
    this.#grow(head.length)
    const known = this.#truncated.get(keyText(head))?.before ?? 0
    this.#truncated.set(keyText(head), { topic: state, key: new Uint8Array(key), before: Math.max(known, before) })
  }

  get(topic: string, key: Uint8Array): Promise<KeyedRecord | undefined> {
    return this.#during(async () => {
      const state = this.#keyedTopic(topic)
      const { id, keyed } = state.config
      if (keyed === 'history') return (await this.history(topic, key, newest))[0]
      const own = this.#own(state, key).at(-1)
      if (own !== undefined) return own.value === null ? undefined : this.#unnumbered(state, own, key, -1)
      this.#reads.keys.add(keyText(latestKey(id, key)))
      return getLatest(this.#reader(), state, key)
    })
  }

  history(topic: string, key: Uint8Array, options: KeyHistoryOptions = {}): Promise<KeyedRecord[]> {
    return this.#during(async () => {
      const state = this.#keyedTopic(topic)
      const head = keyText(headKey(state.config.id, key))
      this.#reads.keys.add(head)
      const { count, records } = await readHistory(this.#reader(), state, key, options)
      const own = this.#own(state, key).map((record, at) => this.#unnumbered(state, record, key, count + at))
      const before = this.#truncated.get(head)?.before ?? 0
      return withOwnRecords(records, own, before, options)
    })
  }

  async *scan(topic: string, prefix: Uint8Array = new Uint8Array()): AsyncGenerator<KeyedRecord> {
    const rows = await this.#during(() => this.#rows(this.#keyedTopic(topic), prefix))
    for (const id of [...rows.keys()].sort()) yield rows.get(id)!
  }

  getState(space: string, key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#during(async () => {
      this.#check()
      const id = keyText(stateKey(space, key))
      const own = this.#state.get(id)
      if (own !== undefined) return own.value
      this.#reads.keys.add(id)
      return this.#reader().get(stateKey(space, key))
    })
  }

  async *scanState(
    space: string,
    prefix: Uint8Array = new Uint8Array(),
  ): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    const entries = await this.#during(() => this.#entries(space, prefix))
    for (const id of [...entries.keys()].sort()) yield entries.get(id)!
  }

  async commit(): Promise<void> {
    this.#check()
    this.#ended = true
    if (this.#reading > 0) {
      throw new AegisError(
        'TRANSACTION_STATE',
        `${this.#reading} reads of the transaction were still under way when its function returned: await them in it`,
      )
    }
    const truncated = Array.from(this.#truncated.values(), ({ topic, key }) => headKey(topic.config.id, key))
    const reads = [...this.#appends.flatMap(({ prepared }) => prepared.reads), ...truncated]
    const request: Request = {
      reads,
      decide: (stage, now) => this.#decide(stage, now),
      committed: () => this.#committed(),
    }
    const receipts = this.#appends.map(({ receipt }) => receipt)
    try {
      await this.#host.sequencer.submit(request)
    } catch (error) {
      for (const receipt of receipts) delete receipt.positions
      throw error
    }
  }

  async end(): Promise<void> {
    this.#ended = true
    await this.#release()
  }

  async #release(): Promise<void> {
    clearTimeout(this.#timer)
    this.#host.sequencer.recent.release(this)
    const snapshot = this.#snapshot
    this.#snapshot = undefined
    await snapshot?.close()
  }

  /** Its function may never return: what is kept for it would grow for ever. */
  #expire(): void {
    if (this.#ended) return
    this.#expired = true
    // Closing a snapshot of a log that is closed meanwhile says nothing that anybody could use.
    this.#release().catch(() => undefined)
  }

  #decide(stage: Stage, now: number): void {
    if (this.#host.sequencer.recent.touched(this, this.#reads)) {
      throw new AegisError(
        'TRANSACTION_CONFLICT',
        'something that the transaction has read was changed before it could commit: run it again',
      )
    }
    for (const position of this.#positions) this.#host.positions.fence(position)
    for (const { prepared, receipt } of this.#appends) receipt.positions = decideAppend(prepared, stage, now)
    for (const { topic, key, before } of this.#truncated.values()) truncateHistory(stage, topic, key, before)
    for (const { key, value } of this.#state.values()) {
      if (value === undefined) stage.delete(key)
      else stage.put(key, value)
    }
    // Last, so that only another position can refuse what a position has decided.
    const decided: (PositionCommit | DecidedPosition)[] = []
    try {
      for (const position of this.#positions) {
        decided.push(position)
        this.#host.positions.stage(position, stage)
      }
    } catch (error) {
      for (const position of decided) if ('decide' in position) position.refused?.()
      throw error
    }
  }

  #committed(): void {
    for (const callback of this.#callbacks) {
      try {
        callback()
      } catch (error) {
        // What is committed stays so; the fault is the callback's and ends as one that nobody caught.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  /** A read that is under way when the transaction ends would have seen what others may change before it commits. */
  async #during<T>(read: () => Promise<T>): Promise<T> {
    this.#reading++
    try {
      return await read()
    } catch (error) {
      // Its snapshot was closed under it.
      throw this.#expired ? tooOld() : error
    } finally {
      this.#reading--
    }
  }

  async #rows(topic: TopicState, prefix: Uint8Array): Promise<Map<string, KeyedRecord>> {
    const range = keyedRange(topic, prefix)
    this.#reads.ranges.push({ gte: keyText(range.gte), lt: keyText(range.lt) })
    const rows = new Map<string, KeyedRecord>()
    const history = topic.config.keyed === 'history'
    const stored = (history ? scanHistories : scanLatest)(this.#reader(), topic, prefix)
    for await (const record of stored) rows.set(text(record.key!), record)
    if (history) {
      await this.#changedHistories(topic, prefix, rows)
      return rows
    }
    for (const { prepared } of this.#appends) {
      if (prepared.topic !== topic) continue
      for (const record of prepared.records) {
        const id = text(record.key!)
        if (!id.startsWith(text(prefix))) continue
        if (record.value === null) rows.delete(id)
        else rows.set(id, this.#unnumbered(topic, record, record.key!, -1))
      }
    }
    return rows
  }

  /** Puts right what this transaction has appended to or truncated. */
  async #changedHistories(topic: TopicState, prefix: Uint8Array, rows: Map<string, KeyedRecord>): Promise<void> {
    const changed = new Map(
      [...rows].flatMap(([id, { key }]) => {
        return this.#truncated.has(keyText(headKey(topic.config.id, key!))) ? [[id, key!] as const] : []
      }),
    )
    for (const { prepared } of this.#appends) {
      if (prepared.topic !== topic) continue
      for (const { key } of prepared.records) if (text(key!).startsWith(text(prefix))) changed.set(text(key!), key!)
    }
    for (const [id, key] of changed) {
      const [record] = await this.history(topic.config.name, key, newest)
      if (record === undefined) rows.delete(id)
      else rows.set(id, record)
    }
  }

  async #entries(space: string, prefix: Uint8Array): Promise<Map<string, readonly [Uint8Array, Uint8Array]>> {
    this.#check()
    const { gte, lt, skip } = stateRange(space, prefix)
    const [from, to] = [keyText(gte), keyText(lt)]
    this.#reads.ranges.push({ gte: from, lt: to })
    const entries = new Map<string, readonly [Uint8Array, Uint8Array]>()
    for await (const entry of scanState(this.#reader(), space, prefix)) {
      entries.set(keyText(stateKey(space, entry[0])), entry)
    }
    for (const [id, { key, value }] of this.#state) {
      if (id < from || id >= to) continue
      if (value === undefined) entries.delete(id)
      else entries.set(id, [key.subarray(skip), value])
    }
    return entries
  }

  #write(key: Uint8Array, value: Uint8Array | undefined): void {
    this.#check()
    this.#grow(key.length + (value?.length ?? 0))
    this.#state.set(keyText(key), { key, value })
  }

  #reader(): StorageReader {
    this.#check()
    if (this.#snapshot === undefined) {
      this.#host.sequencer.recent.remember(this)
      this.#snapshot = this.#host.storage.snapshot()
      this.#timer = setTimeout(() => this.#expire(), maxAge + 1_000)
      this.#timer.unref()
    }
    return this.#snapshot
  }

  #keyedTopic(name: string): TopicState {
    this.#check()
    return this.#host.state(name)
  }

  #own(topic: TopicState, key: Uint8Array): PreparedRecord[] {
    const id = text(key)
    return this.#appends
      .filter(({ prepared }) => prepared.topic === topic)
      .flatMap(({ prepared }) => prepared.records.filter(record => text(record.key!) === id))
  }

  // The offset of an own write is not known before the commit: -1.
  #unnumbered(topic: TopicState, record: PreparedRecord, key: Uint8Array, version: number): KeyedRecord {
    const { name, partitions } = topic.config
    const { value, headers, timestamp = this.#began, partition = partitionForKey(key, partitions) } = record
    return { topic: name, partition, offset: -1, timestamp, key, value, headers, version }
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > maxBytes) {
      throw new AegisError(
        'TRANSACTION_TOO_LARGE',
        `the transaction writes more than ${maxBytes} bytes: make several of it`,
      )
    }
  }

  #check(): void {
    if (this.#ended)
      throw new AegisError(
        'TRANSACTION_STATE',
        'the transaction has ended: await everything done on it before its function returns',
      )
    if (this.#expired || this.#host.now() - this.#began > maxAge) {
      throw tooOld()
    }
  }
}
