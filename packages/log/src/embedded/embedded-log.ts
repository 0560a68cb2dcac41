import { AegisError, type Durability, type Operation, type Storage } from '@aegis/storage'
import { headKey, Space, stateKey } from '../keys.ts'
import type {
  AlterTopicOptions,
  AppendOptions,
  CommittedPosition,
  Follower,
  FollowOptions,
  GroupDescription,
  GroupMember,
  GroupSummary,
  JoinOptions,
  KeyedRecord,
  KeyHistoryOptions,
  Log,
  OutgoingRecord,
  PartitionLag,
  PositionCommit,
  ReadOptions,
  ReadResult,
  Receipt,
  RecordPosition,
  ResetTo,
  TopicDescription,
  TopicDetails,
  TopicOptions,
  Transaction,
  TransactionOptions,
} from '../log.ts'
import { defaultMaxBytes, offsetForTime, type ReadLimits, readBatches, readRecords } from './batch-reader.ts'
import { compactState } from './compact-state.ts'
import { EmbeddedFollower } from './follower.ts'
import { GroupCoordinator } from './group-coordinator.ts'
import { GroupPositions } from './group-positions.ts'
import { Folding } from './history/folding.ts'
import { checkFollowedKey, keyReads } from './history/follow-key.ts'
import { HeadCache } from './history/head-cache.ts'
import { type HistoryReader, newest, readHistory, scanHistories } from './history/read.ts'
import { checkVersion, truncateHistory } from './history/write.ts'
import { assertKeyed, getLatest, scanLatest, scanState } from './keyed-reads.ts'
import { Maintenance } from './maintenance.ts'
import { checkRead } from './read-options.ts'
import { assertNotLost } from './restored-topic.ts'
import { Sequencer } from './sequencer.ts'
import { closedError, type StoredReads, storedReads } from './stored-reads.ts'
import { TopicCatalog } from './topic-catalog.ts'
import { maxMessageSize, type TopicDefaults } from './topic-options.ts'
import type { TopicState } from './topic-state.ts'
import { withRetries } from './transaction/retries.ts'
import { EmbeddedTransaction } from './transaction/transaction.ts'

export interface EmbeddedLogOptions {
  readonly durability: Durability
  readonly now: () => number
  readonly defaults: TopicDefaults
  /** Whether closing the log closes the storage. */
  readonly ownsStorage: boolean
}

/** The log of one process over one storage. */
export class EmbeddedLog implements Log {
  readonly capabilities = {
    transactions: true,
    shared: false,
    lag: 'exact',
    staticMembers: true,
    compaction: true,
    truncation: true,
    repeats: 'log',
    maxReplicationFactor: 1,
    maxMessageSize,
    keyedPartitions: true,
  } as const
  readonly storage: StoredReads
  /** The storage itself, for those who copy or verify it. */
  readonly database: Storage
  readonly sequencer: Sequencer
  readonly now: () => number
  readonly positions: GroupPositions
  /** Closed with the log; `undefined` when it is another's. */
  readonly #owned: Storage | undefined
  readonly #catalog: TopicCatalog
  readonly #groups = new Map<TopicState, Map<string, GroupCoordinator>>()
  /** By name, topics that are being deleted. */
  readonly #deletions = new Map<string, Promise<void>>()
  readonly #followers = new Set<EmbeddedFollower>()
  readonly #heads: HeadCache
  readonly #folding: Folding
  readonly #histories: HistoryReader
  #maintenance: Maintenance | undefined
  #closing: Promise<void> | undefined

  constructor(storage: Storage, { durability, now, defaults, ownsStorage }: EmbeddedLogOptions) {
    this.storage = storedReads(storage, () => this.sequencer.pending[0])
    this.database = storage
    this.now = now
    this.#owned = ownsStorage ? storage : undefined
    this.sequencer = new Sequencer(storage, durability, now)
    this.#catalog = new TopicCatalog(storage, this.sequencer, defaults)
    this.positions = new GroupPositions(this, this.#groups)
    this.#heads = new HeadCache(this.storage)
    this.#folding = new Folding(this)
    this.#histories = { get: key => this.#heads.get(key), getMany: keys => this.storage.getMany(keys) }
    this.sequencer.known = id => this.#heads.known(id)
    this.sequencer.observe = writes => this.#durable(writes)
  }

  /** Reads the topics; to be called once, before anything else. */
  async load(): Promise<void> {
    const deleted = await this.#catalog.load()
    await this.positions.load()
    for (const topic of deleted) await this.positions.abandon(topic)
    this.#maintenance = new Maintenance(
      this,
      deleted.map(({ id }) => id),
    )
  }

  get commits(): number {
    return this.sequencer.commits
  }

  async createTopic(name: string, options: TopicOptions = {}): Promise<TopicDescription> {
    this.#check()
    // Groups of the topic that had the name are to be known as such before there is another.
    const deletion = this.#deletions.get(name)
    if (deletion !== undefined) await deletion
    return (await this.#catalog.create(name, options)).describe()
  }

  async alterTopic(name: string, options: AlterTopicOptions): Promise<TopicDescription> {
    this.#check()
    const topic = await this.#catalog.alter(name, options)
    for (const group of this.#groups.get(topic)?.values() ?? []) await group.grow(topic.config.partitions)
    return topic.describe()
  }

  async deleteTopic(name: string): Promise<void> {
    this.#check()
    const deletion = this.#delete(name)
    const ended = deletion.then(nothing, nothing)
    this.#deletions.set(name, ended)
    try {
      await this.#maintenance!.topicDeleted(await deletion)
    } finally {
      if (this.#deletions.get(name) === ended) this.#deletions.delete(name)
    }
  }

  topic(name: string): TopicDescription {
    return this.state(name).describe()
  }

  async describeTopic(name: string): Promise<TopicDetails> {
    const topic = this.state(name)
    return { ...topic.describe(), partitionDetails: topic.partitions.map(partition => partition.describe()) }
  }

  async listTopics(): Promise<TopicDescription[]> {
    return [...this.topics()].map(topic => topic.describe())
  }

  append(
    name: string,
    records: OutgoingRecord | readonly OutgoingRecord[],
    options: AppendOptions = {},
  ): Promise<Receipt> {
    try {
      return this.sequencer.append(this.state(name), records, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  appendOne(name: string, record: OutgoingRecord): Promise<RecordPosition> {
    try {
      return this.sequencer.appendOne(this.state(name), record)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async read(name: string, partition: number, options: ReadOptions): Promise<ReadResult> {
    const topic = this.#partition(name, partition)
    const { from, maxRecords = 500, maxBytes = defaultMaxBytes } = options
    checkRead(from, maxRecords, maxBytes)
    assertNotLost(topic, from)
    return readRecords(this.storage, topic, partition, from, { maxRecords, maxBytes })
  }

  async startOffset(name: string, partition: number): Promise<number> {
    return this.#partition(name, partition).partitions[partition]!.durable.startOffset
  }

  async endOffset(name: string): Promise<number> {
    return this.state(name).endOffset
  }

  async offsetForTime(name: string, partition: number, time: number): Promise<number> {
    return offsetForTime(this.storage, this.#partition(name, partition), partition, time)
  }

  follow(name: string, options: FollowOptions): Follower {
    const topic = this.state(name)
    for (const [partition, from] of options.positions) {
      this.#partition(name, partition)
      checkRead(from, options.maxRecords ?? 500, options.maxBytes ?? defaultMaxBytes)
      assertNotLost(topic, from)
    }
    const { key } = options
    checkFollowedKey(name, topic.config.partitions, options)
    if (key !== undefined) assertKeyed(topic, 'history')
    const ofAll = (partition: number, from: number, limits: ReadLimits): Promise<ReadResult> =>
      readBatches(this.storage, topic, partition, from, limits)
    const read = key === undefined ? ofAll : keyReads(topic, asked => this.history(name, key, asked))
    const follower = new EmbeddedFollower(topic, read, options, closed => this.#followers.delete(closed))
    this.#followers.add(follower)
    return follower
  }

  transaction<T>(work: (tx: Transaction) => Promise<T> | T, { retries = 5 }: TransactionOptions = {}): Promise<T> {
    return withRetries(() => this.#begin(), work, retries)
  }

  async join(options: JoinOptions): Promise<GroupMember> {
    const topic = this.state(options.topic)
    const { groupId } = options
    this.positions.check({ groupId, topic: options.topic, partition: 0, offset: 0 })
    let groups = this.#groups.get(topic)
    if (groups === undefined) this.#groups.set(topic, (groups = new Map()))
    let group = groups.get(groupId)
    if (group === undefined) {
      const settled = (): Promise<void> => this.sequencer.write(() => undefined)
      groups.set(groupId, (group = new GroupCoordinator(topic.config.partitions, settled)))
    }
    return group.join(options)
  }

  async committed(groupId: string, name: string, partition: number): Promise<CommittedPosition | undefined> {
    return this.positions.committed(groupId, name, partition)
  }

  async commitPosition(position: PositionCommit): Promise<void> {
    this.positions.check(position)
    await this.sequencer.write(stage => {
      this.positions.fence(position)
      this.positions.stage(position, stage)
    })
  }

  async lag(groupId: string, topic: string): Promise<PartitionLag[]> {
    return this.positions.lag(groupId, topic)
  }

  async listGroups(): Promise<GroupSummary[]> {
    this.#check()
    return this.positions.list()
  }

  async describeGroup(groupId: string, topic: string): Promise<GroupDescription> {
    return this.positions.describe(groupId, topic)
  }

  async resetGroup(groupId: string, topic: string, to: ResetTo): Promise<void> {
    return this.positions.reset(groupId, topic, to)
  }

  async get(topic: string, key: Uint8Array): Promise<KeyedRecord | undefined> {
    const state = this.state(topic)
    if (state.config.keyed !== 'history') return getLatest(this.storage, state, key)
    return (await readHistory(this.#histories, state, key, newest)).records[0]
  }

  async history(topic: string, key: Uint8Array, options: KeyHistoryOptions = {}): Promise<KeyedRecord[]> {
    const { records } = await readHistory(this.#histories, this.state(topic), key, options)
    return records
  }

  async truncateHistory(topic: string, key: Uint8Array, before: number): Promise<void> {
    const state = this.state(topic)
    assertKeyed(state, 'history')
    checkVersion(before)
    const reads = [headKey(state.config.id, key)]
    await this.sequencer.submit({ reads, decide: stage => truncateHistory(stage, state, key, before) })
  }

  scan(topic: string, prefix: Uint8Array = new Uint8Array()): AsyncIterable<KeyedRecord> {
    const state = this.state(topic)
    return (state.config.keyed === 'history' ? scanHistories : scanLatest)(this.storage, state, prefix)
  }

  async getState(space: string, key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#check()
    return this.storage.get(stateKey(space, key))
  }

  scanState(space: string, prefix: Uint8Array = new Uint8Array()): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    this.#check()
    return scanState(this.storage, space, prefix)
  }

  async compactState(space: string): Promise<void> {
    this.#check()
    await compactState(this.storage, this.sequencer, space)
  }

  async runMaintenance(): Promise<void> {
    this.#check()
    await this.#maintenance!.run()
    await this.#folding.settled()
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const follower of this.#followers) follower.close()
      for (const groups of this.#groups.values()) for (const group of groups.values()) group.stop()
      await this.#maintenance?.stop()
      await this.#folding.stop()
      await this.sequencer.close()
      await this.#owned?.close()
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  state(name: string): TopicState {
    this.#check()
    return this.#catalog.find(name)
  }

  topics(): Iterable<TopicState> {
    this.#check()
    return this.#catalog.all()
  }

  async #delete(name: string): Promise<number> {
    const topic = await this.#catalog.delete(name)
    for (const group of this.#groups.get(topic)?.values() ?? []) group.dissolve()
    this.#groups.delete(topic)
    await this.positions.abandon(topic.config)
    return topic.config.id
  }

  #durable(writes: ReadonlyMap<string, Operation>): void {
    this.#heads.durable(writes)
    for (const [id, operation] of writes) {
      if (operation.key[0] !== Space.head || operation.type !== 'put') continue
      this.#folding.headWritten(id, operation.key, operation.value)
    }
  }

  #begin(): EmbeddedTransaction {
    this.#check()
    return new EmbeddedTransaction(this)
  }

  #partition(name: string, partition: number): TopicState {
    const topic = this.state(name)
    const { partitions } = topic.config
    if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return topic
    throw new AegisError(
      'PARTITION_UNKNOWN',
      `partition ${String(partition)} of topic ${name}: it has 0 to ${partitions - 1}`,
    )
  }

  #check(): void {
    if (this.#closing !== undefined) throw closedError()
  }
}

const nothing = (): void => undefined
