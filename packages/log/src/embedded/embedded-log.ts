import { randomUUID } from 'node:crypto'
import { AegisError, type Durability, type Storage } from '@aegis/storage'
import { batchKey, counterKey, groupKey, readU64, Space, stateKey, topicKey, topicRange, u64 } from '../keys.ts'
import type {
  AppendOptions,
  CommittedPosition,
  DecidedPosition,
  Follower,
  FollowOptions,
  GroupMember,
  JoinOptions,
  KeyedRecord,
  KeyHistoryOptions,
  Log,
  LogRecord,
  OutgoingRecord,
  PositionCommit,
  ReadOptions,
  ReadResult,
  Receipt,
  RecordPosition,
  TopicDescription,
  TopicOptions,
  Transaction,
  TransactionOptions,
} from '../log.ts'
import { decodeRecordBatch } from '../record-batch.ts'
import { decideAppend, prepareAppend } from './append.ts'
import { EmbeddedFollower } from './follower.ts'
import { checkMember, GroupCoordinator } from './group-coordinator.ts'
import { getKeyed, readHistory, scanLatest, scanState } from './keyed-reads.ts'
import { versionOf } from './record-version.ts'
import { envelopeBytes, Sequencer, type Stage } from './sequencer.ts'
import {
  checkTopic,
  maxMessageSize,
  type TopicConfig,
  type TopicDefaults,
  TopicState,
  withDefaults,
} from './topic-state.ts'
import { EmbeddedTransaction } from './transaction.ts'

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const parsed = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString('utf8'))

/** The log of one process over one storage. */
export class EmbeddedLog implements Log {
  readonly capabilities = { transactions: true, lag: 'approximate', maxReplicationFactor: 1, maxMessageSize } as const
  readonly storage: Storage
  readonly sequencer: Sequencer
  readonly now: () => number
  readonly #topics = new Map<string, TopicState>()
  readonly #groups = new Map<string, GroupCoordinator>()
  readonly #followers = new Set<EmbeddedFollower>()
  readonly #defaults: TopicDefaults
  #lastTopicId = 0
  #closing: Promise<void> | undefined

  constructor(storage: Storage, durability: Durability, now: () => number, defaults: TopicDefaults) {
    this.storage = storage
    this.now = now
    this.#defaults = defaults
    this.sequencer = new Sequencer(storage, durability, now)
  }

  /** Reads the topics; to be called once, before anything else. */
  async load(): Promise<void> {
    this.#lastTopicId = readCounter(await this.storage.get(counterKey(0)))
    const configs: TopicConfig[] = []
    for await (const entries of this.storage.range({
      gte: Uint8Array.of(Space.topic),
      lt: Uint8Array.of(Space.topic + 1),
    })) {
      for (const [, value] of entries) configs.push(parsed(value) as TopicConfig)
    }
    for (const config of configs) {
      const counter = await this.storage.get(counterKey(config.id))
      const time = counter === undefined ? 0 : readU64(counter, 8)
      this.#topics.set(config.name, new TopicState(config, readCounter(counter), time))
    }
  }

  async createTopic(name: string, options: TopicOptions = {}): Promise<TopicDescription> {
    this.#check()
    let topic = this.#topics.get(name)
    const wanted = checkTopic(name, withDefaults(name, options, this.#defaults, topic?.config))
    if (topic === undefined) {
      const id = ++this.#lastTopicId
      const config = { ...wanted, id, incarnation: randomUUID() }
      topic = new TopicState(config)
      this.#topics.set(name, topic)
      await this.#submit(stage => {
        stage.put(topicKey(name), json(config))
        stage.put(counterKey(0), u64(id))
      })
      return topic.describe()
    }
    const shown: Partial<Record<string, unknown>> = { ...topic.config }
    const different = Object.entries(wanted).filter(([option, value]) => shown[option] !== value)
    if (different.length > 0) {
      const list = different
        .map(([option, value]) => `${option} is ${String(shown[option])}, asked for ${String(value)}`)
        .join('; ')
      throw new AegisError('TOPIC_EXISTS', `topic ${name} exists with other settings: ${list}`, {
        details: { topic: name },
      })
    }
    // Whoever created it may still wait for the commit.
    await this.#submit(() => undefined)
    return topic.describe()
  }

  async deleteTopic(name: string): Promise<void> {
    const topic = this.topic(name)
    const { id } = topic.config
    topic.deleted = true
    this.#topics.delete(name)
    await this.#submit(stage => stage.delete(topicKey(name)))
    topic.wake()
    for (const space of [Space.counter, Space.batch, Space.latest, Space.head, Space.history, Space.group]) {
      await this.#deleteRange(topicRange(space, id))
    }
  }

  async describeTopic(name: string): Promise<TopicDescription> {
    return this.topic(name).describe()
  }

  async listTopics(): Promise<TopicDescription[]> {
    this.#check()
    return [...this.#topics.values()].map(topic => topic.describe())
  }

  async append(
    name: string,
    records: OutgoingRecord | readonly OutgoingRecord[],
    options: AppendOptions = {},
  ): Promise<Receipt> {
    const prepared = prepareAppend(this.topic(name), records, options)
    let positions: readonly RecordPosition[] = []
    const decide = (stage: Stage, now: number): void => {
      positions = decideAppend(prepared, stage, now)
    }
    await this.sequencer.submit({ reads: prepared.reads, bytes: prepared.bytes, decide })
    return { positions }
  }

  async read(name: string, partition: number, { from, maxRecords = 500 }: ReadOptions): Promise<ReadResult> {
    const topic = this.topic(name)
    if (!Number.isSafeInteger(from) || from < 0)
      throw new AegisError('LOG_INVALID', `from is ${String(from)}: give an offset`)
    if (!Number.isInteger(maxRecords) || maxRecords < 1) {
      throw new AegisError('LOG_INVALID', `maxRecords is ${String(maxRecords)}: give a whole number of at least 1`)
    }
    if (!Number.isInteger(partition) || partition < 0 || partition >= topic.config.partitions) {
      throw new AegisError(
        'PARTITION_UNKNOWN',
        `partition ${String(partition)} of topic ${name}: it has 0 to ${topic.config.partitions - 1}`,
      )
    }
    return this.#read(topic, partition, from, maxRecords)
  }

  endOffset(name: string): number {
    return this.topic(name).endOffset
  }

  async offsetForTime(name: string, partition: number, time: number): Promise<number> {
    const topic = this.topic(name)
    let low = 0
    let high = topic.endOffset
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const found = await this.#firstBatch(topic, partition, middle)
      if (found === undefined || found.appendTime >= time) high = middle
      else low = found.lastOffset + 1
    }
    return low
  }

  follow(name: string, options: FollowOptions): Follower {
    const read = this.#read.bind(this)
    const follower = new EmbeddedFollower(this.topic(name), read, options, closed => this.#followers.delete(closed))
    this.#followers.add(follower)
    return follower
  }

  async transaction<T>(
    work: (tx: Transaction) => Promise<T> | T,
    { retries = 5 }: TransactionOptions = {},
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      this.#check()
      const tx = new EmbeddedTransaction(this)
      try {
        const result = await work(tx)
        await tx.commit()
        return result
      } catch (error) {
        if (!AegisError.is(error, 'TRANSACTION_CONFLICT') || attempt >= retries) throw error
      } finally {
        await tx.end()
      }
    }
  }

  async join(options: JoinOptions): Promise<GroupMember> {
    const { id, partitions } = this.topic(options.topic).config
    const key = `${id}/${options.groupId}`
    let group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, (group = new GroupCoordinator(partitions, () => this.#submit(() => undefined))))
    return group.join(options)
  }

  async committed(groupId: string, name: string, partition: number): Promise<CommittedPosition | undefined> {
    const { id, incarnation } = this.topic(name).config
    const stored = await this.storage.get(groupKey(id, groupId, partition))
    if (stored === undefined) return undefined
    const position = parsed(stored) as CommittedPosition & { incarnation: string }
    if (position.incarnation !== incarnation) {
      throw new AegisError(
        'OFFSET_RESET',
        `group ${groupId} has read another incarnation of topic ${name}: reset its position`,
      )
    }
    return { offset: position.offset, metadata: position.metadata }
  }

  async commitPosition(position: PositionCommit): Promise<void> {
    await this.#submit(stage => {
      this.checkPosition(position)
      this.stagePosition(position, stage)
    })
  }

  checkPosition({ topic, partition, member }: PositionCommit | DecidedPosition): void {
    this.topic(topic)
    if (member !== undefined) checkMember(member, partition)
  }

  stagePosition(position: PositionCommit | DecidedPosition, stage: Stage): void {
    const { groupId, topic, partition } = position
    const { id, incarnation } = this.topic(topic).config
    const { offset, metadata = '' } = 'decide' in position ? position.decide() : position
    stage.put(groupKey(id, groupId, partition), json({ offset, metadata, incarnation }))
  }

  async get(topic: string, key: Uint8Array): Promise<KeyedRecord | undefined> {
    return getKeyed(this.storage, this.topic(topic), key)
  }

  async history(topic: string, key: Uint8Array, options: KeyHistoryOptions = {}): Promise<KeyedRecord[]> {
    return readHistory(this.storage, this.topic(topic), key, options)
  }

  scan(topic: string, prefix: Uint8Array = new Uint8Array()): AsyncIterable<KeyedRecord> {
    return scanLatest(this.storage, this.topic(topic), prefix)
  }

  async getState(space: string, key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#check()
    return this.storage.get(stateKey(space, key))
  }

  scanState(space: string, prefix: Uint8Array = new Uint8Array()): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    return scanState(this.storage, space, prefix)
  }

  async runMaintenance(): Promise<void> {
    const now = this.now()
    for (const topic of this.#topics.values()) {
      const { id, retention, partitions } = topic.config
      if (retention === null) continue
      for (let partition = 0; partition < partitions; partition++) {
        const before = await this.offsetForTime(topic.config.name, partition, now - retention)
        await this.#deleteRange({ gte: batchKey(id, partition, 0), lt: batchKey(id, partition, before) })
      }
    }
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const follower of this.#followers) follower.close()
      await this.sequencer.idle()
      await this.storage.close()
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  topic(name: string): TopicState {
    this.#check()
    const topic = this.#topics.get(name)
    if (topic === undefined)
      throw new AegisError('TOPIC_UNKNOWN', `topic ${JSON.stringify(name)} does not exist: create it first`)
    return topic
  }

  async #read(topic: TopicState, partition: number, from: number, maxRecords: number): Promise<ReadResult> {
    // Taken before reading: everything below it is durable, so what the range does not show is not there.
    const end = topic.endOffset
    const { id, keyed, name } = topic.config
    const records: LogRecord[] = []
    const range = { gte: batchKey(id, partition, from), lte: batchKey(id, partition, Number.MAX_SAFE_INTEGER) }
    for await (const entries of this.storage.range({ ...range, limit: Math.max(1, Math.min(maxRecords, 1000)) })) {
      for (const [, value] of entries) {
        for (const record of decodeRecordBatch(value.subarray(envelopeBytes)).records) {
          const { offset, timestamp, key, value: payload, headers } = record
          if (offset < from) continue
          if (offset >= end) return { records, nextOffset: end }
          const read = { topic: name, partition, offset, timestamp, key, value: payload, headers }
          records.push(keyed === 'history' ? { ...read, ...versionOf(record) } : read)
          if (records.length === maxRecords) return { records, nextOffset: offset + 1 }
        }
      }
    }
    // A full page of batches that were all read may be followed by more.
    return { records, nextOffset: records.length === 0 ? Math.max(end, from) : records.at(-1)!.offset + 1 }
  }

  async #firstBatch(
    topic: TopicState,
    partition: number,
    from: number,
  ): Promise<{ appendTime: number; lastOffset: number } | undefined> {
    const { id } = topic.config
    const range = {
      gte: batchKey(id, partition, from),
      lte: batchKey(id, partition, Number.MAX_SAFE_INTEGER),
      limit: 1,
    }
    for await (const entries of this.storage.range(range)) {
      for (const [key, value] of entries)
        return { appendTime: readU64(value, 0), lastOffset: readU64(key, key.length - 8) }
    }
    return undefined
  }

  /** In small steps, so that no append waits long. */
  async #deleteRange(range: { gte: Uint8Array; lt: Uint8Array }): Promise<void> {
    for await (const entries of this.storage.range({ ...range, chunkBytes: 100_000 })) {
      await this.#submit(stage => {
        for (const [key] of entries) stage.delete(key)
      })
    }
  }

  #submit(decide: (stage: Stage) => void): Promise<void> {
    this.#check()
    return this.sequencer.submit({ reads: [], bytes: 0, decide })
  }

  #check(): void {
    if (this.#closing !== undefined) throw new AegisError('LOG_CLOSED', 'the log is closed: open it again')
  }
}

const readCounter = (bytes: Uint8Array | undefined): number => (bytes === undefined ? 0 : readU64(bytes, 0))
