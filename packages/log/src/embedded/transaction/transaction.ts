import { AegisError } from '@aegis/storage'
import { headKey, latestKey, stateKey } from '../../keys.ts'
import type {
  AppendOptions,
  DecidedPosition,
  KeyedRecord,
  KeyHistoryOptions,
  OutgoingRecord,
  PositionCommit,
  Receipt,
  Transaction,
} from '../../log.ts'
import { partitionForKey } from '../../partitioner.ts'
import { type PreparedRecord, prepareAppend } from '../append.ts'
import type { GroupPositions } from '../group-positions.ts'
import { withOwnRecords } from '../history/own-records.ts'
import { newest, readHistory, scanHistories } from '../history/read.ts'
import { checkVersion } from '../history/write.ts'
import { assertKeyed, getLatest, keyedRange, scanLatest, scanState, stateRange } from '../keyed-reads.ts'
import type { Sequencer } from '../sequencer.ts'
import { keyText, type Stage } from '../stage.ts'
import type { StoredReads } from '../stored-reads.ts'
import type { TopicState } from '../topic-state.ts'
import { TransactionSnapshot } from './snapshot.ts'
import { TransactionWrites } from './writes.ts'

const maxAge = 10_000
/** It is told that it is too old before what it has seen is given up. */
const longest = maxAge + 1_000

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

/** One attempt of a transaction: a snapshot from its first read on, and its writes until they are submitted. */
export class EmbeddedTransaction implements Transaction {
  readonly #host: TransactionHost
  readonly #began: number
  readonly #snapshot: TransactionSnapshot
  readonly #writes: TransactionWrites
  #ended = false
  /** Reads that have begun and not come to their end. */
  #reading = 0
  readonly #callbacks: (() => void)[] = []

  constructor(host: TransactionHost) {
    this.#host = host
    this.#began = host.now()
    this.#snapshot = new TransactionSnapshot(host.storage, host.sequencer, longest)
    this.#writes = new TransactionWrites(host.positions)
  }

  append(topic: string, records: OutgoingRecord | readonly OutgoingRecord[], options: AppendOptions = {}): Receipt {
    return this.#writes.append(prepareAppend(this.#topic(topic), records, options))
  }

  putState(space: string, key: Uint8Array, value: Uint8Array): void {
    this.#check()
    this.#writes.putState(stateKey(space, key), value)
  }

  deleteState(space: string, key: Uint8Array): void {
    this.#check()
    this.#writes.putState(stateKey(space, key), undefined)
  }

  commitPosition(position: PositionCommit | DecidedPosition): void {
    this.#check()
    this.#writes.commitPosition(position)
  }

  onCommit(callback: () => void): void {
    this.#check()
    this.#callbacks.push(callback)
  }

  truncateHistory(topic: string, key: Uint8Array, before: number): void {
    const state = this.#topic(topic)
    assertKeyed(state, 'history')
    checkVersion(before)
    this.#writes.truncateHistory(state, key, before)
  }

  get(topic: string, key: Uint8Array): Promise<KeyedRecord | undefined> {
    return this.#during(async () => {
      const state = this.#topic(topic)
      const { id, keyed } = state.config
      if (keyed === 'history') return (await this.history(topic, key, newest))[0]
      const own = this.#writes.recordsOfKey(state, key).at(-1)
      if (own !== undefined) return own.value === null ? undefined : this.#unnumbered(state, own, -1)
      this.#snapshot.readsKey(latestKey(id, key))
      return getLatest(this.#snapshot.reader, state, key)
    })
  }

  history(topic: string, key: Uint8Array, options: KeyHistoryOptions = {}): Promise<KeyedRecord[]> {
    return this.#during(async () => {
      const state = this.#topic(topic)
      const head = this.#snapshot.readsKey(headKey(state.config.id, key))
      const { count, records } = await readHistory(this.#snapshot.reader, state, key, options)
      const own = this.#writes.recordsOfKey(state, key).map((record, at) => this.#unnumbered(state, record, count + at))
      return withOwnRecords(records, own, this.#writes.truncatedBelow(head) ?? 0, options)
    })
  }

  async *scan(topic: string, prefix: Uint8Array = new Uint8Array()): AsyncGenerator<KeyedRecord> {
    const rows = await this.#during(() => this.#rows(this.#topic(topic), prefix))
    for (const id of [...rows.keys()].sort()) yield rows.get(id)!
  }

  getState(space: string, key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#during(async () => {
      this.#check()
      const storageKey = stateKey(space, key)
      const own = this.#writes.state.get(keyText(storageKey))
      if (own !== undefined) return own.value
      this.#snapshot.readsKey(storageKey)
      return this.#snapshot.reader.get(storageKey)
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
    this.#snapshot.keep()
    try {
      await this.#host.sequencer.submit({
        reads: this.#writes.reads,
        decide: (stage, now) => this.#decide(stage, now),
        committed: () => this.#committed(),
      })
    } catch (error) {
      this.#writes.refused()
      throw error
    }
  }

  async end(): Promise<void> {
    this.#ended = true
    await this.#snapshot.release()
  }

  #decide(stage: Stage, now: number): void {
    if (this.#snapshot.touched) {
      throw new AegisError(
        'TRANSACTION_CONFLICT',
        'something that the transaction has read was changed before it could commit: run it again',
      )
    }
    this.#writes.decide(stage, now)
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
      throw this.#snapshot.expired ? tooOld() : error
    } finally {
      this.#reading--
    }
  }

  async #rows(topic: TopicState, prefix: Uint8Array): Promise<Map<string, KeyedRecord>> {
    this.#snapshot.readsRange(keyedRange(topic, prefix))
    const rows = new Map<string, KeyedRecord>()
    const history = topic.config.keyed === 'history'
    const stored = (history ? scanHistories : scanLatest)(this.#snapshot.reader, topic, prefix)
    for await (const record of stored) rows.set(keyText(record.key!), record)
    const own = [...this.#writes.recordsOf(topic)].filter(([id]) => id.startsWith(keyText(prefix)))
    if (history) {
      await this.#changedHistories(topic, own, rows)
      return rows
    }
    for (const [id, records] of own) {
      const last = records.at(-1)!
      if (last.value === null) rows.delete(id)
      else rows.set(id, this.#unnumbered(topic, last, -1))
    }
    return rows
  }

  /** Puts right what this transaction has appended to or truncated. */
  async #changedHistories(
    topic: TopicState,
    own: readonly (readonly [id: string, records: readonly PreparedRecord[]])[],
    rows: Map<string, KeyedRecord>,
  ): Promise<void> {
    const changed = new Map(own.map(([id, records]) => [id, records[0]!.key!]))
    for (const [id, { key }] of rows) {
      if (this.#writes.truncatedBelow(keyText(headKey(topic.config.id, key!))) !== undefined) changed.set(id, key!)
    }
    for (const [id, key] of changed) {
      const [record] = await this.history(topic.config.name, key, newest)
      if (record === undefined) rows.delete(id)
      else rows.set(id, record)
    }
  }

  async #entries(space: string, prefix: Uint8Array): Promise<Map<string, readonly [Uint8Array, Uint8Array]>> {
    this.#check()
    const range = stateRange(space, prefix)
    const { gte, lt } = this.#snapshot.readsRange(range)
    const entries = new Map<string, readonly [Uint8Array, Uint8Array]>()
    for await (const entry of scanState(this.#snapshot.reader, space, prefix)) {
      entries.set(keyText(stateKey(space, entry[0])), entry)
    }
    for (const [id, { key, value }] of this.#writes.state) {
      if (id < gte || id >= lt) continue
      if (value === undefined) entries.delete(id)
      else entries.set(id, [key.subarray(range.skip), value])
    }
    return entries
  }

  #topic(name: string): TopicState {
    this.#check()
    return this.#host.state(name)
  }

  // The offset of an own write is not known before the commit: -1.
  #unnumbered(topic: TopicState, record: PreparedRecord, version: number): KeyedRecord {
    const { name, partitions } = topic.config
    const key = record.key!
    const { value, headers, timestamp = this.#began, partition = partitionForKey(key, partitions) } = record
    return { topic: name, partition, offset: -1, timestamp, key, value, headers, version }
  }

  #check(): void {
    if (this.#ended)
      throw new AegisError(
        'TRANSACTION_STATE',
        'the transaction has ended: await everything done on it before its function returns',
      )
    if (this.#snapshot.expired || this.#host.now() - this.#began > maxAge) throw tooOld()
  }
}
