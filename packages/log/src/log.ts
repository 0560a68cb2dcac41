import type {
  CommittedPosition,
  GroupDescription,
  GroupMember,
  GroupSummary,
  JoinOptions,
  PartitionLag,
  PositionCommit,
  ResetTo,
} from './interface/groups.ts'
import type { Follower, FollowOptions, LogReader, ReadOptions, ReadResult } from './interface/reading.ts'
import type { AppendOptions, OutgoingRecord, Receipt, RecordPosition } from './interface/records.ts'
import type { AlterTopicOptions, TopicDescription, TopicDetails, TopicOptions } from './interface/topics.ts'
import type { Transaction, TransactionOptions } from './interface/transactions.ts'

// The door to all of it, for the rest of this package.
export type {
  CommittedPosition,
  DecidedPosition,
  GroupDescription,
  GroupMember,
  GroupSummary,
  JoinOptions,
  PartitionLag,
  PositionCommit,
  ResetTo,
} from './interface/groups.ts'
export type {
  Follower,
  FollowOptions,
  KeyedRecord,
  KeyHistoryOptions,
  LogReader,
  ReadOptions,
  ReadResult,
} from './interface/reading.ts'
export type {
  AppendOptions,
  ExpectedVersion,
  Header,
  LogRecord,
  OutgoingRecord,
  ProducerBatch,
  Receipt,
  RecordPosition,
} from './interface/records.ts'
export type {
  AlterTopicOptions,
  Cleanup,
  Keyed,
  PartitionDescription,
  Retention,
  TopicDescription,
  TopicDetails,
  TopicOptions,
} from './interface/topics.ts'
export type { Transaction, TransactionOptions } from './interface/transactions.ts'

export interface Capabilities {
  /**
   * Transactions over topics, key spaces and group positions; otherwise refused with `NOT_SUPPORTED`, and an append to several
   * partitions or keys may be stored in part.
   */
  readonly transactions: boolean
  /** Whether lag is a count or a guess. */
  readonly lag: 'exact' | 'approximate'
  /** Whether members can have an `instanceId`; else it is refused. */
  readonly staticMembers: boolean
  /** Whether topics can have `cleanup: 'compact'`; else it is refused. */
  readonly compaction: boolean
  /** Whether `truncateHistory` can be done; else it is refused. */
  readonly truncation: boolean
  /**
   * How an append by a `producer` is recognised when it is repeated: `'log'`: by what is stored, however late. `'window'`: for
   * some minutes. `'none'`: `producer` is refused.
   */
  readonly repeats: 'log' | 'window' | 'none'
  /** Whether other processes may write to it while this one does. */
  readonly shared: boolean
  /** Copies of the data that this log can keep. */
  readonly maxReplicationFactor: number
  /** Largest `maxMessageSize` that a topic can have, in bytes. */
  readonly maxMessageSize: number
  /** Whether a record of a keyed topic can have another partition than its key's; otherwise refused with `NOT_SUPPORTED`. */
  readonly keyedPartitions: boolean
}

/** A durable partitioned log: the narrow waist that everything in Aegis stands on. */
export interface Log extends LogReader {
  readonly capabilities: Capabilities
  /** The time by the log's clock, in milliseconds since the epoch: of those who keep times with the log. */
  now(): number
  /** How many commits were made since it was opened; all that waits shares one. */
  readonly commits: number
  /**
   * Resolves also when the topic exists with the same settings.
   * @throws AegisError `TOPIC_EXISTS` when it exists with others, `LOG_INVALID` for a setting that is not allowed.
   */
  createTopic(name: string, options?: TopicOptions): Promise<TopicDescription>
  /**
   * Resolves when the new settings are stored; groups, and followers that ask for it, take up new partitions.
   * @throws AegisError `TOPIC_UNKNOWN`, `LOG_INVALID`
   */
  alterTopic(name: string, options: AlterTopicOptions): Promise<TopicDescription>
  /** Deletes the topic with all records, indexes and group positions. */
  deleteTopic(name: string): Promise<void>
  /**
   * A topic's settings, from memory: for those who must not wait. What another process has done a moment ago may be missing:
   * `describeTopic` asks, and from then on it is known here too.
   * @throws AegisError `TOPIC_UNKNOWN`
   */
  topic(name: string): TopicDescription
  /** @throws AegisError `TOPIC_UNKNOWN` */
  describeTopic(name: string): Promise<TopicDetails>
  listTopics(): Promise<TopicDescription[]>
  /**
   * Resolves when the records have reached the log's durability; records of one call become visible together. The records
   * of a partition, or of a key, are in the order of the calls, with and without a producer; those of different ones if the
   * first call was awaited. A transaction's records come behind those of the calls before its function has ended.
   * @throws AegisError `VERSION_CONFLICT`, `RECORD_TOO_LARGE`, `TOPIC_UNKNOWN`, `PARTITION_UNKNOWN`, `PRODUCER_FENCED`,
   * `PRODUCER_SEQUENCE`, `PRODUCER_DUPLICATE`
   */
  append(topic: string, records: OutgoingRecord | readonly OutgoingRecord[], options?: AppendOptions): Promise<Receipt>
  /** `append` of one record, with its position as the result: for those who append message by message, and many. */
  appendOne(topic: string, record: OutgoingRecord): Promise<RecordPosition>
  read(topic: string, partition: number, options: ReadOptions): Promise<ReadResult>
  /** The next offset to read for what is appended to the topic from now on. */
  endOffset(topic: string): Promise<number>
  /** The offset below which the records of a partition are gone. */
  startOffset(topic: string, partition: number): Promise<number>
  /** The first offset of a partition whose append time is at or after `time` (ms), or the end. */
  offsetForTime(topic: string, partition: number, time: number): Promise<number>
  /**
   * Takes away the records of a key of a `'history'` topic below a version. Its versions go on counting: `expected` knows
   * them as before, and none is given out again. Whoever reads the topic itself may still see the records: maintenance takes
   * them out of it when they are half of it.
   */
  truncateHistory(topic: string, key: Uint8Array, before: number): Promise<void>
  follow(topic: string, options: FollowOptions): Follower
  /**
   * Serializable and optimistic: the function may be run again, so it should have no other effects.
   * @throws AegisError `TRANSACTION_CONFLICT`, `TRANSACTION_TOO_OLD`, `TRANSACTION_TOO_LARGE`, and what the function throws
   */
  transaction<T>(work: (tx: Transaction) => Promise<T> | T, options?: TransactionOptions): Promise<T>
  join(options: JoinOptions): Promise<GroupMember>
  /** @throws AegisError `OFFSET_RESET` when the topic was recreated since */
  committed(groupId: string, topic: string, partition: number): Promise<CommittedPosition | undefined>
  commitPosition(position: PositionCommit): Promise<void>
  /** What the group has still to read of each partition of the topic. */
  lag(groupId: string, topic: string): Promise<PartitionLag[]>
  /** Groups that have members or committed positions. */
  listGroups(): Promise<GroupSummary[]>
  describeGroup(groupId: string, topic: string): Promise<GroupDescription>
  /**
   * Moves all positions of a group.
   * @throws AegisError `GROUP_ACTIVE` while it has members
   */
  resetGroup(groupId: string, topic: string, to: ResetTo): Promise<void>
  /**
   * Rewrites what is stored of a private key space, so that the values which were deleted from it or replaced are gone from
   * the storage, and not only from reading. Without it they go when the storage gets to it by itself. Open transactions
   * that began before the deletion keep them until they end.
   */
  compactState(space: string): Promise<void>
  /**
   * Gives back the space of what retention, compaction and truncation no longer keep; runs in the background by itself, in
   * steps of a megabyte at most.
   */
  runMaintenance(): Promise<void>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
