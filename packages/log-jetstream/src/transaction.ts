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
} from '@aegis/log'
import { partitionForKey } from '@aegis/log'
import { checkedRecords, checkProducer, checkVersion, withOwnRecords } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import { isTruncation, type PlacedRecord, placed } from './append-plan.ts'
import type { Domain } from './domain.ts'
import { checkKeyed, keySubject, keysSubject, newestRecord, readHistory, scanKeys, startsWith } from './keyed-reads.ts'
import { checkExpectation } from './keyed-writer.ts'
import type { Locks } from './locks.ts'
import { OptimisticCommit } from './optimistic-commit.ts'
import { OwnWrites } from './own-writes.ts'
import type { Positions } from './positions.ts'
import { producerSubject } from './producer-appends.ts'
import type { Publisher } from './publisher.ts'
import { conflict, ReadSet } from './read-set.ts'
import { keyOf } from './record-message.ts'
import { decodeEntry, scanEntries } from './state.ts'
import type { Topic } from './topic.ts'
import { lineOf, sizeOf } from './topic-writer.ts'

const maxAge = 10_000
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/** What a transaction needs of the log that it belongs to. */
export interface TransactionHost {
  readonly domain: Domain
  readonly publisher: Publisher
  readonly locks: Locks
  readonly positions: Positions
  find(topic: string): Topic
  countCommit(): void
  /** A key's oldest records are taken away: their messages can go. */
  truncated(topic: Topic, subject: string): void
  /** @throws AegisError `LOG_CLOSED` */
  check(): void
}

/**
 * One attempt of a transaction: what it reads is remembered with the sequence it had, and its writes are kept until they
 * go out in one batch in which the stream checks all of that.
 */
export class JetStreamTransaction implements Transaction {
  readonly #host: TransactionHost
  readonly #began = Date.now()
  #ended = false
  readonly #reads: ReadSet
  readonly #own: OwnWrites
  readonly #positions: { readonly topic: Topic; readonly position: PositionCommit | DecidedPosition }[] = []
  readonly #callbacks: (() => void)[] = []

  /** `fresh`: nothing is read from what this process remembers. */
  constructor(host: TransactionHost, fresh: boolean) {
    this.#host = host
    this.#reads = new ReadSet(host.domain, fresh)
    this.#own = new OwnWrites(host.domain)
  }

  /** Whether it has read something that this process remembers, and that may have been old already. */
  get remembered(): boolean {
    return this.#reads.remembered
  }

  append(name: string, records: OutgoingRecord | readonly OutgoingRecord[], options: AppendOptions = {}): Receipt {
    this.#check()
    const topic = this.#host.find(name)
    const checked = checkedRecords(topic, records)
    const { expected = 'any', producer } = options
    if (producer !== undefined) checkProducer(producer)
    const list = placed(topic, checked)
    checkExpectation(topic, list, expected)
    const receipt: { positions?: readonly RecordPosition[] } = {}
    const bytes = checked.reduce((sum, record) => sum + sizeOf(record), 0)
    this.#own.append({ topic, changes: list, expected, receipt, ...(producer !== undefined && { producer }) }, bytes)
    return {
      get positions() {
        if (receipt.positions !== undefined) return receipt.positions
        throw new AegisError(
          'TRANSACTION_STATE',
          `the positions of an append to ${name} are known after the commit: read them there`,
        )
      },
    }
  }

  putState(space: string, key: Uint8Array, value: Uint8Array): void {
    this.#check()
    this.#own.put({ space, key, value })
  }

  deleteState(space: string, key: Uint8Array): void {
    this.#check()
    this.#own.put({ space, key, value: undefined })
  }

  commitPosition(position: PositionCommit | DecidedPosition): void {
    this.#check()
    const topic = this.#host.find(position.topic)
    if (!('decide' in position)) this.#host.positions.check(topic, position)
    this.#positions.push({ topic, position })
  }

  onCommit(callback: () => void): void {
    this.#check()
    this.#callbacks.push(callback)
  }

  truncateHistory(name: string, key: Uint8Array, before: number): void {
    this.#check()
    const topic = this.#host.find(name)
    checkKeyed(topic, 'truncateHistory', ['history'])
    checkVersion(before)
    const partition = partitionForKey(key, topic.config.partitions)
    this.#own.append({ topic, changes: [{ key, partition, before }], expected: 'any', receipt: {} }, key.length)
  }

  async get(name: string, key: Uint8Array): Promise<KeyedRecord | undefined> {
    this.#check()
    const topic = this.#host.find(name)
    checkKeyed(topic, 'get', ['latest', 'history'])
    const own = this.#own.changesOf(topic, key).at(-1)
    if (topic.config.keyed === 'history') {
      if (own !== undefined) return (await this.history(name, key, { reverse: true, limit: 1 }))[0]
    } else if (own !== undefined && !isTruncation(own)) {
      return own.value === null ? undefined : unnumbered(topic, own, -1)
    }
    const { domain } = this.#host
    const message = await this.#reads.last(keySubject(domain, topic, key))
    return this.#reads.during(() => newestRecord(domain, topic, message))
  }

  async history(name: string, key: Uint8Array, options: KeyHistoryOptions = {}): Promise<KeyedRecord[]> {
    this.#check()
    const topic = this.#host.find(name)
    const changes = this.#own.changesOf(topic, key)
    const below = Math.max(0, ...changes.map(change => (isTruncation(change) ? change.before : 0)))
    // What the transaction takes away itself must not count against the limit.
    const wanted = options.reverse === true ? options : { ...options, from: Math.max(options.from ?? 0, below) }
    const { records, count } = await this.#reads.during(() =>
      readHistory(this.#host.domain, topic, key, below === 0 ? options : wanted, subject => this.#reads.last(subject)),
    )
    const own: KeyedRecord[] = []
    let kept = 0
    for (const change of changes) {
      const next = count + own.length
      if (isTruncation(change)) kept = Math.max(kept, Math.min(change.before, next))
      else own.push(unnumbered(topic, change, next))
    }
    return withOwnRecords(records, own, kept, options)
  }

  async *scan(name: string, prefix: Uint8Array = new Uint8Array()): AsyncGenerator<KeyedRecord> {
    this.#check()
    const topic = this.#host.find(name)
    const found = await this.#reads.during(async () => {
      await this.#reads.sawAll(keysSubject(this.#host.domain, topic), prefix, keyOf)
      return scanKeys(this.#host.domain, topic, prefix)
    })
    const rows = new Map<string, KeyedRecord>()
    for (const record of found) rows.set(text(record.key!), record)
    for (const own of this.#own.keys.values()) {
      if (own.topic !== topic || !startsWith(own.key, prefix)) continue
      const record = await this.get(name, own.key)
      if (record === undefined) rows.delete(text(own.key))
      else rows.set(text(own.key), record)
    }
    for (const id of [...rows.keys()].sort()) yield rows.get(id)!
  }

  async getState(space: string, key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#check()
    const subject = this.#host.domain.subjects.state(space, key)
    const own = this.#own.state.get(subject)
    if (own !== undefined) return own.value
    const message = await this.#reads.last(subject)
    return message === undefined ? undefined : decodeEntry(message).value
  }

  async *scanState(
    space: string,
    prefix: Uint8Array = new Uint8Array(),
  ): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    this.#check()
    const found = await this.#reads.during(async () => {
      await this.#reads.sawAll(this.#host.domain.subjects.space(space), prefix, message => decodeEntry(message).key)
      return scanEntries(this.#host.domain, space, prefix)
    })
    const entries = new Map<string, readonly [Uint8Array, Uint8Array]>()
    for (const entry of found) entries.set(text(entry[0]), entry)
    for (const own of this.#own.state.values()) {
      if (own.space !== space || !startsWith(own.key, prefix)) continue
      if (own.value === undefined) entries.delete(text(own.key))
      else entries.set(text(own.key), [own.key, own.value])
    }
    for (const id of [...entries.keys()].sort()) yield entries.get(id)!
  }

  /** Whether nothing that was read has changed. */
  readsHold(): Promise<boolean> {
    return this.#reads.hold()
  }

  async commit(): Promise<void> {
    this.#check()
    this.#ended = true
    if (this.#reads.busy) throw ended()
    const { locks } = this.#host
    const { appends, keys, state } = this.#own
    const writes = appends.length + state.size + this.#positions.length
    if (writes === 0) {
      if ((this.#reads.size > 1 || this.remembered) && !(await this.readsHold())) throw conflict()
      this.#committed()
      return
    }
    const names = [
      ...keys.keys(),
      ...state.keys(),
      ...appends.flatMap(append => producerSubject(this.#host.domain, append) ?? []),
      ...this.#positions.map(({ topic, position: { groupId, partition } }) =>
        this.#host.positions.subject(topic, groupId, partition),
      ),
    ]
    // Its records come behind what was appended to their topics before; with a producer they are in their place among the calls.
    const plain = appends.filter(({ topic }) => topic.config.keyed === 'none')
    const lines = plain.map(({ topic }) => lineOf(this.#host.domain, topic))
    const appended = locks.passed(lines)
    const inLine = plain.flatMap(({ producer }, at) => (producer === undefined ? [] : [lines[at]!]))
    const release = await locks.acquire([...names, ...inLine])
    try {
      await appended
      await new OptimisticCommit(this.#host, {
        began: this.#began,
        reads: this.#reads,
        appends,
        state,
        positions: this.#positions,
      }).run()
    } finally {
      release()
    }
    this.#committed()
  }

  end(): void {
    this.#ended = true
  }

  #committed(): void {
    this.#host.countCommit()
    for (const [subject, { topic, changes }] of this.#own.keys) {
      if (changes.some(isTruncation)) this.#host.truncated(topic, subject)
    }
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

  #check(): void {
    if (this.#ended) throw ended()
    this.#host.check()
    if (Date.now() - this.#began > maxAge) {
      throw new AegisError('TRANSACTION_TOO_OLD', `the transaction is older than ${maxAge} ms: make it shorter`)
    }
  }
}

const ended = (): AegisError =>
  new AegisError(
    'TRANSACTION_STATE',
    'the transaction has ended: await everything done on it before its function returns',
  )

// The offset of an own write is not known before the commit: -1.
function unnumbered(topic: Topic, record: PlacedRecord, version: number): KeyedRecord {
  const { name, partitions } = topic.config
  const { value, headers, timestamp, key, partition } = record
  const place = key === null ? partition : partitionForKey(key, partitions)
  return { topic: name, partition: place, offset: -1, timestamp, key, value, headers, version }
}
