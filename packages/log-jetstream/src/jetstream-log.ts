import type {
  AlterTopicOptions,
  AppendOptions,
  Capabilities,
  CommittedPosition,
  Follower,
  FollowOptions,
  GroupDescription,
  GroupMember,
  GroupSummary,
  JoinOptions,
  KeyedRecord,
  KeyHistoryOptions,
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
} from '@aegis/log'
import { checkFollowedKey, checkVersion, type TopicDefaults } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import { Appends } from './appends.ts'
import { capabilitiesOf } from './capabilities.ts'
import { Catalog } from './catalog.ts'
import type { ClusterLog } from './cluster-log.ts'
import type { Domain } from './domain.ts'
import { JetStreamFollower } from './follower.ts'
import { GroupReports } from './group/group-reports.ts'
import { Groups } from './group/groups.ts'
import { checkKeyed, keySubject, newestRecord, readHistory, scanKeys } from './keyed-reads.ts'
import { KeyedWriter } from './keyed-writer.ts'
import { Locks } from './locks.ts'
import { Maintenance } from './maintenance.ts'
import { lastMessage } from './messages.ts'
import { describePartition, offsetAtTime } from './partition-figures.ts'
import { firstOffset, readPartition, topicEnd } from './partition-reader.ts'
import { Positions } from './positions.ts'
import { Publisher } from './publisher.ts'
import { checkPartition, checkRead, defaultMaxBytes } from './read-options.ts'
import { type RunningHost, runTransaction } from './run-transaction.ts'
import { decodeEntry, scanEntries } from './state.ts'
import { type LogStatus, statusOf } from './status.ts'
import type { Topic } from './topic.ts'

/** The log of an engine on a NATS JetStream cluster. */
export class JetStreamLog implements ClusterLog, RunningHost {
  readonly capabilities: Capabilities
  readonly domain: Domain
  readonly publisher: Publisher
  readonly locks = new Locks()
  readonly positions: Positions
  readonly #catalog: Catalog
  readonly #keyed: KeyedWriter
  readonly #appends: Appends
  readonly #groups: Groups
  readonly #reports: GroupReports
  readonly #maintenance: Maintenance
  readonly #followers = new Set<Follower>()
  /** What has begun and must be known before the connection is closed. */
  readonly #running = new Set<Promise<unknown>>()
  #commits = 0
  #closing: Promise<void> | undefined

  constructor(domain: Domain, defaults: TopicDefaults) {
    this.domain = domain
    this.capabilities = capabilitiesOf(domain)
    this.publisher = new Publisher(domain)
    this.positions = new Positions(domain, this.publisher, this.locks)
    this.#catalog = new Catalog(domain, this.publisher, defaults)
    this.#keyed = new KeyedWriter(domain, this.publisher, this.locks)
    this.#appends = new Appends(this, this.#keyed)
    this.#groups = new Groups(domain, this.positions)
    this.#reports = new GroupReports(domain, this.positions, this.#groups, () => this.#catalog.all())
    this.#maintenance = new Maintenance(domain, () => this.#catalog.all())
  }

  /** Learns which topics there are; to be called once, before anything else. */
  async load(): Promise<void> {
    await this.#catalog.load()
    this.#maintenance.start()
  }

  get commits(): number {
    return this.#commits
  }

  now(): number {
    return Date.now()
  }

  async createTopic(name: string, options: TopicOptions = {}): Promise<TopicDescription> {
    this.check()
    return (await this.#catalog.create(name, options)).describe()
  }

  async alterTopic(name: string, options: AlterTopicOptions): Promise<TopicDescription> {
    this.check()
    return (await this.#catalog.alter(name, options)).describe()
  }

  async deleteTopic(name: string): Promise<void> {
    this.check()
    const topic = await this.#catalog.delete(name)
    this.#appends.topicDeleted(topic)
    await this.#groups.topicDeleted(topic)
    await this.#maintenance.topicDeleted(topic)
  }

  topic(name: string): TopicDescription {
    return this.find(name).describe()
  }

  async describeTopic(name: string): Promise<TopicDetails> {
    this.check()
    const topic = await this.#catalog.refresh(name)
    const endOffset = await topicEnd(this.domain, topic)
    const partitions = Array.from({ length: topic.config.partitions }, (_, partition) => partition)
    const partitionDetails = await Promise.all(
      partitions.map(partition => describePartition(this.domain, topic, partition)),
    )
    return { ...topic.describe(), endOffset, partitionDetails }
  }

  async listTopics(): Promise<TopicDescription[]> {
    this.check()
    await this.#catalog.load()
    return [...this.#catalog.all()].map(topic => topic.describe())
  }

  append(
    name: string,
    records: OutgoingRecord | readonly OutgoingRecord[],
    options: AppendOptions = {},
  ): Promise<Receipt> {
    // Plain functions with one promise: an asynchronous one costs as much as encoding the record.
    try {
      return this.#appends.append(this.find(name), records, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  appendOne(name: string, record: OutgoingRecord): Promise<RecordPosition> {
    try {
      return this.#appends.appendOne(this.find(name), record)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async read(name: string, partition: number, options: ReadOptions): Promise<ReadResult> {
    const topic = await this.#partition(name, partition)
    const { from, maxRecords = 500, maxBytes = defaultMaxBytes } = options
    checkRead(from, { maxRecords, maxBytes })
    return readPartition(this.domain, topic, partition, from, { maxRecords, maxBytes })
  }

  async endOffset(name: string): Promise<number> {
    return topicEnd(this.domain, await this.#known(name))
  }

  async startOffset(name: string, partition: number): Promise<number> {
    return firstOffset(this.domain, await this.#partition(name, partition), partition)
  }

  async offsetForTime(name: string, partition: number, time: number): Promise<number> {
    return offsetAtTime(this.domain, await this.#partition(name, partition), partition, time)
  }

  follow(name: string, options: FollowOptions): Follower {
    const topic = this.find(name)
    const { maxRecords = 500, maxBytes = defaultMaxBytes } = options
    for (const [partition, from] of options.positions) {
      checkPartition(topic, partition)
      checkRead(from, { maxRecords, maxBytes })
    }
    checkFollowedKey(name, topic.config.partitions, options)
    if (options.key !== undefined) checkKeyed(topic, 'following a key', ['history'])
    const limits = { maxRecords, maxBytes }
    const follower = new JetStreamFollower(this.domain, topic, limits, options, closed =>
      this.#followers.delete(closed),
    )
    this.#followers.add(follower)
    return follower
  }

  async transaction<T>(
    work: (tx: Transaction) => Promise<T> | T,
    { retries = 5 }: TransactionOptions = {},
  ): Promise<T> {
    this.check()
    if (!this.capabilities.transactions) {
      throw new AegisError(
        'NOT_SUPPORTED',
        `transactions need nats-server 2.12 or later, and this one is ${this.domain.features.version}`,
      )
    }
    return runTransaction(this, work, retries)
  }

  async join(options: JoinOptions): Promise<GroupMember> {
    return this.#groups.join(await this.#known(options.topic), options)
  }

  async committed(groupId: string, name: string, partition: number): Promise<CommittedPosition | undefined> {
    return this.positions.committed(await this.#known(name), groupId, partition)
  }

  async commitPosition(position: PositionCommit): Promise<void> {
    const topic = await this.#known(position.topic)
    this.positions.check(topic, position)
    await this.track(this.positions.commit(topic, position))
    this.countCommit()
  }

  async lag(groupId: string, topic: string): Promise<PartitionLag[]> {
    const { positions } = await this.describeGroup(groupId, topic)
    return positions.map(({ partition, lag }) => ({ partition, lag }))
  }

  async listGroups(): Promise<GroupSummary[]> {
    this.check()
    return this.#reports.list()
  }

  async describeGroup(groupId: string, name: string): Promise<GroupDescription> {
    return this.#reports.describe(await this.#known(name), groupId)
  }

  async resetGroup(groupId: string, name: string, to: ResetTo): Promise<void> {
    return this.#reports.reset(await this.#known(name), groupId, to)
  }

  async get(name: string, key: Uint8Array): Promise<KeyedRecord | undefined> {
    const topic = await this.#known(name)
    checkKeyed(topic, 'get', ['latest', 'history'])
    return newestRecord(this.domain, topic, await lastMessage(this.domain, keySubject(this.domain, topic, key)))
  }

  async history(name: string, key: Uint8Array, options: KeyHistoryOptions = {}): Promise<KeyedRecord[]> {
    return (await readHistory(this.domain, await this.#known(name), key, options)).records
  }

  async truncateHistory(name: string, key: Uint8Array, before: number): Promise<void> {
    const topic = await this.#known(name)
    checkKeyed(topic, 'truncateHistory', ['history'])
    checkVersion(before)
    await this.track(this.#keyed.truncate(topic, key, before))
    this.countCommit()
    await this.track(this.#maintenance.freeTruncated(topic, keySubject(this.domain, topic, key)))
  }

  async *scan(name: string, prefix: Uint8Array = new Uint8Array()): AsyncGenerator<KeyedRecord> {
    yield* await scanKeys(this.domain, await this.#known(name), prefix)
  }

  async getState(space: string, key: Uint8Array): Promise<Uint8Array | undefined> {
    this.check()
    const message = await lastMessage(this.domain, this.domain.subjects.state(space, key))
    return message === undefined ? undefined : decodeEntry(message).value
  }

  async *scanState(
    space: string,
    prefix: Uint8Array = new Uint8Array(),
  ): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    this.check()
    yield* await scanEntries(this.domain, space, prefix)
  }

  async compactState(space: string): Promise<void> {
    this.check()
    await this.#maintenance.compact(this.domain.subjects.space(space))
  }

  async runMaintenance(): Promise<void> {
    this.check()
    await this.#maintenance.run()
  }

  status(): AsyncIterable<LogStatus> {
    return statusOf(this.domain.connection)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @throws AegisError `TOPIC_UNKNOWN`, `LOG_CLOSED` */
  find(name: string): Topic {
    this.check()
    return this.#catalog.find(name)
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  countCommit(): void {
    this.#commits++
  }

  truncated(topic: Topic, subject: string): void {
    // What fails is done in the next round of maintenance: it only frees room.
    this.track(this.#maintenance.freeTruncated(topic, subject)).catch(() => undefined)
  }

  async #close(): Promise<void> {
    for (const follower of this.#followers) follower.close()
    this.#maintenance.stop()
    await this.#groups.close()
    await Promise.allSettled(this.#running)
    this.#catalog.close()
    await this.domain.connection.close()
  }

  track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    const done = (): boolean => this.#running.delete(work)
    work.then(done, done)
    return work
  }

  async #known(name: string): Promise<Topic> {
    this.check()
    return this.#catalog.known(name)
  }

  async #partition(name: string, partition: number): Promise<Topic> {
    const topic = await this.#known(name)
    checkPartition(topic, partition)
    return topic
  }

  /** @throws AegisError `LOG_CLOSED` */
  check(): void {
    if (this.closed) throw new AegisError('LOG_CLOSED', 'the log is closed: connect again')
  }
}
