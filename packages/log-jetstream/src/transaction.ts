import { setTimeout as pause } from 'node:timers/promises'
import type {
  AppendOptions,
  DecidedPosition,
  ExpectedVersion,
  KeyedRecord,
  KeyHistoryOptions,
  OutgoingRecord,
  PositionCommit,
  Receipt,
  RecordPosition,
  Transaction,
} from '@aegis/log'
import { partitionForKey } from '@aegis/log'
import { checkedRecords, withOwnRecords } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import { type AppendPlan, type PlacedRecord, placed, planAppend } from './append-plan.ts'
import type { Domain } from './domain.ts'
import { type Head, type Heads, meets, versionConflict } from './heads.ts'
import { checkKeyed, keySubject, keysSubject, newestRecord, readHistory, scanKeys, startsWith } from './keyed-reads.ts'
import { checkExpectation, subjectsOf } from './keyed-writer.ts'
import type { Locks } from './locks.ts'
import { lastMessage, messagesFrom } from './messages.ts'
import type { Positions } from './positions.ts'
import { largestBatch, type OutgoingMessage, type Publisher, SequenceConflict } from './publisher.ts'
import { recordsOf } from './record-message.ts'
import { refuseProducer, truncationRefused } from './refused.ts'
import { decodeEntry, encodeEntry, scanEntries } from './state.ts'
import type { StoredMessage } from './stored-message.ts'
import type { Topic } from './topic.ts'
import { sizeOf } from './topic-writer.ts'

const maxBytes = 16_000_000
const maxAge = 10_000
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/** What a transaction needs of the log that it belongs to. */
export interface TransactionHost {
  readonly domain: Domain
  readonly publisher: Publisher
  readonly heads: Heads
  readonly locks: Locks
  readonly positions: Positions
  find(topic: string): Topic
  countCommit(): void
  /** @throws AegisError `LOG_CLOSED` */
  check(): void
}

interface Range {
  readonly prefix: Uint8Array
  readonly keyOf: (message: StoredMessage) => Uint8Array | null
}

/** What was read of a subject, or of several by a wildcard. */
interface Read {
  /** Of the last message that was seen; 0 for none. */
  sequence: number
  /** What of a wildcard's messages was of interest. */
  readonly ranges: readonly Range[]
}

interface Append {
  readonly topic: Topic
  readonly records: readonly PlacedRecord[]
  readonly expected: ExpectedVersion
  readonly receipt: { positions?: readonly RecordPosition[] }
}

const conflict = (): AegisError =>
  new AegisError(
    'TRANSACTION_CONFLICT',
    'something that the transaction has read was changed before it could commit: run it again',
  )

/**
 * One attempt of a transaction: what it reads is remembered with the sequence it had, and its writes are kept until they
 * go out in one batch in which the stream checks all of that.
 */
export class JetStreamTransaction implements Transaction {
  readonly #host: TransactionHost
  readonly #began = Date.now()
  #ended = false
  #bytes = 0
  /** By subject, or by a wildcard for several. */
  readonly #reads = new Map<string, Read>()
  /** Reads that are on their way. */
  #reading = 0
  readonly #appends: Append[] = []
  readonly #state = new Map<
    string,
    { readonly key: Uint8Array; readonly value: Uint8Array | undefined; space: string }
  >()
  readonly #positions: { readonly topic: Topic; readonly position: PositionCommit | DecidedPosition }[] = []
  readonly #callbacks: (() => void)[] = []

  constructor(host: TransactionHost) {
    this.#host = host
  }

  append(name: string, records: OutgoingRecord | readonly OutgoingRecord[], options: AppendOptions = {}): Receipt {
    this.#check()
    const topic = this.#host.find(name)
    const checked = checkedRecords(topic, records)
    this.#grow(checked.reduce((sum, record) => sum + sizeOf(record), 0))
    const { expected = 'any', producer } = options
    refuseProducer(producer)
    const list = placed(topic, checked)
    checkExpectation(topic, list, expected)
    const receipt: { positions?: readonly RecordPosition[] } = {}
    this.#appends.push({ topic, records: list, expected, receipt })
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
    this.#write(space, key, value)
  }

  deleteState(space: string, key: Uint8Array): void {
    this.#write(space, key, undefined)
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

  truncateHistory(name: string): void {
    this.#check()
    throw truncationRefused(this.#host.find(name).config.name)
  }

  async get(name: string, key: Uint8Array): Promise<KeyedRecord | undefined> {
    this.#check()
    const topic = this.#host.find(name)
    checkKeyed(topic, 'get', ['latest', 'history'])
    const own = this.#own(topic, key).at(-1)
    if (topic.config.keyed === 'history') {
      if (own !== undefined) return (await this.history(name, key, { reverse: true, limit: 1 }))[0]
    } else if (own !== undefined) return own.value === null ? undefined : unnumbered(topic, own, -1)
    return newestRecord(topic, await this.#last(keySubject(this.#host.domain, topic, key)))
  }

  async history(name: string, key: Uint8Array, options: KeyHistoryOptions = {}): Promise<KeyedRecord[]> {
    this.#check()
    const topic = this.#host.find(name)
    const { records, sequence, count } = await this.#read(() => readHistory(this.#host.domain, topic, key, options))
    this.#saw(keySubject(this.#host.domain, topic, key), sequence)
    const own = this.#own(topic, key).map((record, at) => unnumbered(topic, record, count + at))
    return withOwnRecords(records, own, 0, options)
  }

  async *scan(name: string, prefix: Uint8Array = new Uint8Array()): AsyncGenerator<KeyedRecord> {
    this.#check()
    const topic = this.#host.find(name)
    const found = await this.#read(async () => {
      await this.#sawAll(keysSubject(this.#host.domain, topic), prefix, message => keyOf(topic, message))
      return scanKeys(this.#host.domain, topic, prefix)
    })
    const rows = new Map<string, KeyedRecord>()
    for (const record of found) rows.set(text(record.key!), record)
    for (const append of this.#appends) {
      if (append.topic !== topic) continue
      for (const record of append.records) {
        if (!startsWith(record.key, prefix)) continue
        const id = text(record.key!)
        const version = topic.config.keyed === 'history' ? (rows.get(id)?.version ?? -1) + 1 : -1
        if (record.value === null && topic.config.keyed === 'latest') rows.delete(id)
        else rows.set(id, unnumbered(topic, record, version))
      }
    }
    for (const id of [...rows.keys()].sort()) yield rows.get(id)!
  }

  async getState(space: string, key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#check()
    const subject = this.#host.domain.subjects.state(space, key)
    const own = this.#state.get(subject)
    if (own !== undefined) return own.value
    const message = await this.#last(subject)
    return message === undefined ? undefined : decodeEntry(message).value
  }

  async *scanState(
    space: string,
    prefix: Uint8Array = new Uint8Array(),
  ): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    this.#check()
    const found = await this.#read(async () => {
      await this.#sawAll(this.#host.domain.subjects.space(space), prefix, message => decodeEntry(message).key)
      return scanEntries(this.#host.domain, space, prefix)
    })
    const entries = new Map<string, readonly [Uint8Array, Uint8Array]>()
    for (const entry of found) entries.set(text(entry[0]), entry)
    for (const own of this.#state.values()) {
      if (own.space !== space || !startsWith(own.key, prefix)) continue
      if (own.value === undefined) entries.delete(text(own.key))
      else entries.set(text(own.key), [own.key, own.value])
    }
    for (const id of [...entries.keys()].sort()) yield entries.get(id)!
  }

  /** Whether nothing that was read has changed. What was read in several steps is only known to belong together if so. */
  async readsHold(): Promise<boolean> {
    for (const [subject, read] of this.#reads) if (!(await this.#holds(subject, read))) return false
    return true
  }

  async #holds(subject: string, read: Read): Promise<boolean> {
    const sequence = (await lastMessage(this.#host.domain, subject))?.sequence ?? 0
    if (sequence === read.sequence) return true
    if (read.ranges.length === 0 || sequence < read.sequence) return false
    // Something was written that fits the wildcard: of what was read, or beside it?
    for await (const message of messagesFrom(this.#host.domain, subject, read.sequence + 1)) {
      if (read.ranges.some(({ prefix, keyOf }) => startsWith(keyOf(message), prefix))) return false
      read.sequence = message.sequence
    }
    return true
  }

  async commit(): Promise<void> {
    this.#check()
    this.#ended = true
    if (this.#reading > 0) throw ended()
    const { domain, locks } = this.#host
    const writes = this.#appends.length + this.#state.size + this.#positions.length
    if (writes === 0) {
      if (this.#reads.size > 1 && !(await this.readsHold())) throw conflict()
      this.#committed()
      return
    }
    const names = [
      ...this.#appends.flatMap(({ topic, records }) =>
        topic.config.keyed === 'none' ? [] : [...subjectsOf(domain, topic, records).keys()],
      ),
      ...this.#positions.map(({ topic, position: { groupId, partition } }) =>
        this.#host.positions.subject(topic, groupId, partition),
      ),
      ...this.#state.keys(),
    ]
    const release = await locks.acquire(names)
    try {
      await this.#commit()
    } finally {
      release()
    }
  }

  end(): void {
    this.#ended = true
  }

  async #commit(): Promise<void> {
    const deadline = performance.now() + this.#host.domain.patience.milliseconds
    for (let wait = 1; ; wait = Math.min(2 * wait, 100)) {
      if (await this.#tryCommit()) return
      // Somebody was faster on a key that the transaction has not read: it goes on top of what they wrote.
      if (performance.now() > deadline) throw conflict()
      await pause(Math.random() * wait)
    }
  }

  async #tryCommit(): Promise<boolean> {
    const { publisher, heads, positions } = this.#host
    for (const { topic, position } of this.#positions) {
      await positions.checkIncarnation(topic, position.groupId, position.partition)
    }
    const plans = await this.#plans()
    const decided: DecidedPosition[] = []
    const refused = (): void => {
      for (const position of decided) position.refused?.()
    }
    let batch: Batch
    try {
      batch = this.#batch(plans, decided)
    } catch (error) {
      refused()
      throw error
    }
    let first: number
    try {
      const { messages } = batch
      if (messages.length >= largestBatch) throw tooLarge(`${messages.length} messages, of at most ${largestBatch - 1}`)
      first = messages.length === 1 ? await publisher.publish(messages[0]!) : await publisher.publishAll(messages)
    } catch (error) {
      refused()
      for (const { plan } of plans) for (const { subject } of plan.messages) heads.forget(subject)
      if (!(error instanceof SequenceConflict)) throw error
      if (!(await this.readsHold())) throw conflict()
      for (const { topic, position } of this.#positions) await positions.checkHeld(topic, position)
      return false
    }
    for (const { plan, appends, at } of batch.plans) {
      const sequences = plan.messages.map((_, index) => first + at + index)
      for (const [subject, head] of plan.heads(sequences)) heads.remember(subject, head)
      const all = plan.positions(sequences)
      let next = 0
      for (const { receipt, records } of appends) {
        receipt.positions = all.slice(next, next + records.length)
        next += records.length
      }
    }
    for (const [subject, at] of batch.positions) positions.wrote(subject, first + at)
    this.#committed()
    return true
  }

  /** One plan for each topic, of all its appends. */
  async #plans(): Promise<TopicPlan[]> {
    const { domain } = this.#host
    const topics = new Map<Topic, Append[]>()
    for (const append of this.#appends) {
      const known = topics.get(append.topic)
      if (known === undefined) topics.set(append.topic, [append])
      else known.push(append)
    }
    const plans: TopicPlan[] = []
    for (const [topic, appends] of topics) {
      const { name, keyed } = topic.config
      if (topic.deleted) throw new AegisError('TOPIC_UNKNOWN', `topic ${name} was deleted`)
      const heads = keyed === 'none' ? new Map<string, Head>() : await this.#headsFor(topic, appends)
      plans.push({
        plan: planAppend(
          domain,
          topic,
          appends.flatMap(({ records }) => records),
          heads,
        ),
        appends,
      })
    }
    return plans
  }

  async #headsFor(topic: Topic, appends: readonly Append[]): Promise<Map<string, Head>> {
    const { domain, heads } = this.#host
    const found = new Map<string, Head>()
    const keys = new Map<string, Uint8Array>()
    const wanted = new Set<string>()
    for (const { records, expected } of appends) {
      for (const [subject, key] of subjectsOf(domain, topic, records)) {
        keys.set(subject, key)
        if (topic.config.keyed === 'history' || expected !== 'any' || this.#reads.has(subject)) wanted.add(subject)
      }
    }
    for (const subject of wanted) {
      const read = this.#reads.get(subject)?.sequence
      let head = await heads.find(topic, subject)
      const first = appends.find(({ records }) => subjectsOf(domain, topic, records).has(subject))?.expected ?? 'any'
      // What was read must still be so; and what is in memory may be old: only the leader's word is reported.
      if (!meets(first, head) || (read !== undefined && head.sequence !== read)) head = await heads.read(topic, subject)
      if (read !== undefined && head.sequence !== read) throw conflict()
      found.set(subject, head)
    }
    // Each append expects what those before it have made of its key.
    const now = new Map(found)
    for (const { records, expected } of appends) {
      const [subject] = records.length > 0 ? subjectsOf(domain, topic, records).keys() : []
      const head = subject === undefined ? undefined : now.get(subject)
      if (subject !== undefined && head !== undefined && !meets(expected, head)) {
        throw versionConflict(topic, keys.get(subject)!, expected, head)
      }
      for (const record of records) {
        const written = domain.subjects.key(topic.config.incarnation, record.partition, record.key!)
        const before = now.get(written)
        if (before !== undefined) now.set(written, headAfter(topic, before, record))
      }
    }
    return found
  }

  #batch(plans: readonly TopicPlan[], decided: DecidedPosition[]): Batch {
    const { domain, positions } = this.#host
    const writes: OutgoingMessage[] = []
    const placedPlans: Batch['plans'][number][] = []
    for (const { plan, appends } of plans) {
      placedPlans.push({ plan, appends, at: writes.length })
      writes.push(...plan.messages)
    }
    for (const [subject, { key, value }] of this.#state) {
      const expected = this.#reads.get(subject)?.sequence
      const data = encodeEntry(key, value)
      if (data.length > domain.maxPayload)
        throw tooLarge(`a value of ${data.length} bytes, of at most ${domain.maxPayload}`)
      writes.push(expected === undefined ? { subject, data } : { subject, data, expected })
    }
    const written = new Map<string, number>()
    for (const { topic, position } of this.#positions) {
      if ('decide' in position) decided.push(position)
      const message = positions.message(topic, position)
      const before = written.get(message.subject)
      written.set(message.subject, writes.length)
      // A second position of the same partition goes on top of the first.
      writes.push(before === undefined ? message : { subject: message.subject, data: message.data })
    }
    const checkedThere = new Set(writes.filter(({ expected }) => expected !== undefined).map(({ subject }) => subject))
    const unchecked = [...this.#reads].filter(([subject]) => !checkedThere.has(subject))
    const checks = unchecked.map(
      ([subject, { sequence }], at): OutgoingMessage => ({
        subject: domain.subjects.check(`${this.#began}-${at}`),
        data: new Uint8Array(),
        expected: sequence,
        expectedOn: subject,
        timeToLive: 1,
      }),
    )
    // Checked first: what the transaction writes itself would be found otherwise.
    const shift = checks.length
    return {
      messages: [...checks, ...writes],
      plans: placedPlans.map(({ plan, appends, at }) => ({ plan, appends, at: at + shift })),
      positions: new Map([...written].map(([subject, at]) => [subject, at + shift])),
    }
  }

  #committed(): void {
    this.#host.countCommit()
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

  async #read<T>(read: () => Promise<T>): Promise<T> {
    this.#reading++
    try {
      return await read()
    } finally {
      this.#reading--
    }
  }

  #last(subject: string): Promise<StoredMessage | undefined> {
    return this.#read(async () => {
      const message = await lastMessage(this.#host.domain, subject)
      this.#saw(subject, message?.sequence ?? 0)
      return message
    })
  }

  #saw(subject: string, sequence: number): void {
    const before = this.#reads.get(subject)
    if (before !== undefined && before.sequence !== sequence) throw conflict()
    if (before === undefined) this.#reads.set(subject, { sequence, ranges: [] })
  }

  /** Remembers that all of a prefix was read of what fits a wildcard. */
  async #sawAll(filter: string, prefix: Uint8Array, keyOf: Range['keyOf']): Promise<void> {
    const before = this.#reads.get(filter)
    if (before !== undefined && !(await this.#holds(filter, before))) throw conflict()
    const sequence = before?.sequence ?? (await lastMessage(this.#host.domain, filter))?.sequence ?? 0
    this.#reads.set(filter, { sequence, ranges: [...(before?.ranges ?? []), { prefix, keyOf }] })
  }

  #write(space: string, key: Uint8Array, value: Uint8Array | undefined): void {
    this.#check()
    this.#grow(key.length + (value?.length ?? 0))
    this.#state.set(this.#host.domain.subjects.state(space, key), { space, key, value })
  }

  #own(topic: Topic, key: Uint8Array): PlacedRecord[] {
    const id = text(key)
    return this.#appends
      .filter(append => append.topic === topic)
      .flatMap(({ records }) => records.filter(record => record.key !== null && text(record.key) === id))
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`)
  }

  #check(): void {
    if (this.#ended) throw ended()
    this.#host.check()
    if (Date.now() - this.#began > maxAge) {
      throw new AegisError('TRANSACTION_TOO_OLD', `the transaction is older than ${maxAge} ms: make it shorter`)
    }
  }
}

/** The offset of what is not committed yet is not known: -1. */
function headAfter({ config }: Topic, { sequence, version }: Head, { value }: PlacedRecord): Head {
  if (config.keyed === 'history') return { sequence, version: version + 1, exists: true }
  return { sequence, version: -1, exists: value !== null }
}

const ended = (): AegisError =>
  new AegisError(
    'TRANSACTION_STATE',
    'the transaction has ended: await everything done on it before its function returns',
  )

const keyOf = ({ config: { name } }: Topic, message: StoredMessage): Uint8Array | null =>
  recordsOf(name, 0, message, 0, false)[0]?.key ?? null

interface TopicPlan {
  readonly plan: AppendPlan
  readonly appends: readonly Append[]
}

interface Batch {
  readonly messages: readonly OutgoingMessage[]
  /** With the place of each plan's first message. */
  readonly plans: readonly (TopicPlan & { readonly at: number })[]
  /** By subject, the place of its last message. */
  readonly positions: ReadonlyMap<string, number>
}

const tooLarge = (what: string): AegisError =>
  new AegisError('TRANSACTION_TOO_LARGE', `the transaction writes ${what}: make several of it`)

// The offset of an own write is not known before the commit: -1.
function unnumbered(topic: Topic, record: PlacedRecord, version: number): KeyedRecord {
  const { name, partitions } = topic.config
  const { value, headers, timestamp, key, partition } = record
  const place = key === null ? partition : partitionForKey(key, partitions)
  return { topic: name, partition: place, offset: -1, timestamp, key, value, headers, version }
}
