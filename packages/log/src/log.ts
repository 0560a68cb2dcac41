import type { BatchRecord } from './batch/layout.ts'
import type { Codec } from './codec.ts'

export type Header = { readonly key: string; readonly value: Uint8Array | null }

/** A record as it is stored. Offsets rise strictly over the whole topic; they need not be dense. */
export interface LogRecord extends BatchRecord {
  readonly topic: string
  readonly partition: number
  /** On `'history'` topics the number of the record within its key, dense from 0. */
  readonly version?: number
}

/** `'none'`: a plain log. `'latest'`: the last record of a key can be read by key. `'history'`: all records of a key, numbered from 0. */
export type Keyed = 'none' | 'latest' | 'history'

/** What makes room in a topic. */
export type Cleanup = 'delete' | 'compact'

/**
 * `time`: how long records stay after they were appended, in milliseconds or `'7d'`. `bytes`: how many bytes a
 * partition keeps (`'1GB'`); its newest batch stays whatever its size. A number or text alone is the time.
 */
export type Retention = number | string | { readonly time?: number | string; readonly bytes?: number | string }

export interface TopicOptions {
  /** Default 1. Fixed order is per partition; the same key always goes to the same partition. */
  partitions?: number
  /** How long records stay. Default: for ever. Refused on keyed topics. */
  retention?: Retention
  /** Recorded, and reported as 1 in `describeTopic`: this log has one copy. Default 1. */
  replicationFactor?: number
  /** Default `'none'`, and `'latest'` for a topic that is compacted. */
  keyed?: Keyed
  /** Largest key + value + headers, bytes or `'1MB'` (1,000,000 bytes). Default `'1MB'`. */
  maxMessageSize?: number | string
  /**
   * `'delete'` (default): records stay until `retention` takes them away. `'compact'`: of each key only the last record
   * stays, and a tombstone for a day; offsets stay as they were. Such a topic is keyed `'latest'`: each record has a key, by
   * which the last one can be read.
   */
  cleanup?: Cleanup
  /** How payloads are encoded, for those who read the topic without knowing who wrote it. Default `'json'`. */
  codec?: Codec
}

/** What can be changed; what is left out stays. */
export interface AlterTopicOptions {
  /**
   * More than now, and not on keyed topics. Keys may go to other partitions from then on, so the order of a key's
   * records is kept before and after, not across.
   */
  partitions?: number
  /** `null`: keep for ever. */
  retention?: Retention | null
  /** For records from now on. */
  maxMessageSize?: number | string
  cleanup?: Cleanup
}

export interface TopicDescription {
  readonly name: string
  /** Another one after the topic was deleted and created again; the same in a restored log, whose offsets tell. */
  readonly incarnation: string
  readonly partitions: number
  /** Milliseconds; null: for ever. */
  readonly retention: number | null
  /** Bytes of a partition; null: no limit. */
  readonly retentionBytes: number | null
  readonly requestedReplicationFactor: number
  readonly replicationFactor: number
  readonly keyed: Keyed
  readonly maxMessageSize: number
  readonly cleanup: Cleanup
  readonly codec: Codec
  /** The offset that the next record of the topic will have, or a smaller one. */
  readonly endOffset: number
}

/** What a partition holds now. */
export interface PartitionDescription {
  readonly partition: number
  /** Records below it are gone; a record at it need not exist. */
  readonly startOffset: number
  /** The offset after the newest record's. */
  readonly endOffset: number
  readonly records: number
  /** Bytes of the stored batches, before compression. */
  readonly bytes: number
  /** How many batches they are; a driver that stores each append apart gives the number of those. */
  readonly batches: number
  /** Timestamp of the record that was appended last, in milliseconds; null when there never was one. */
  readonly newestTimestamp: number | null
}

/** A topic with what its partitions hold. */
export interface TopicDetails extends TopicDescription {
  readonly partitionDetails: readonly PartitionDescription[]
}

/** A record to be appended. Its bytes must not change until the append is acknowledged. */
export interface OutgoingRecord {
  /** A text is stored as UTF-8; half a surrogate pair is refused, for it would become another text. */
  key?: Uint8Array | string | null
  /** A text is stored as UTF-8, without a copy in between. `null` is a tombstone. */
  value: Uint8Array | string | null
  headers?: readonly Header[] | undefined
  /** Milliseconds since the epoch. Default: now. */
  timestamp?: number | undefined
  /** Default: murmur2 of the key as Kafka's Java client does it, round robin without a key. */
  partition?: number | undefined
}

/** A number is the version of the key's newest record (`'history'`) or its offset (`'latest'`). */
export type ExpectedVersion = 'any' | 'no-stream' | 'stream-exists' | number

/** Who appends, and which of its records these are: so that an append can be repeated when its outcome is not known. */
export interface ProducerBatch {
  /**
   * 1 to 1,000 characters; known within a topic. Forgotten when retention has taken all that it has appended, and no sooner
   * than seven days after its last append.
   */
  id: string
  /** The number of the first record: 0 for the first append of an epoch, then where the append before ended. */
  sequence: number
  /** A higher one begins at sequence 0 and shuts out whoever still uses a lower one. Default 0. */
  epoch?: number
}

export interface AppendOptions {
  /**
   * A repeat of one of the last five appends of a producer adds nothing and is acknowledged with the positions of the first;
   * an older one is refused (`PRODUCER_DUPLICATE`: it is there), as is one that leaves a gap (`PRODUCER_SEQUENCE`). The
   * sequence is one for all partitions of a topic. Where `capabilities.repeats` is `'window'`, only for some minutes.
   */
  producer?: ProducerBatch
  /** Checked for the key of the records; keyed topics only, and all records must have the same key. */
  expected?: ExpectedVersion
}

export interface RecordPosition {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  /** On `'history'` topics the number of the record within its key. */
  readonly version?: number
}

/** A place in a topic after the commit of a transaction; reading `positions` earlier throws `TRANSACTION_STATE`. */
export interface Receipt {
  readonly positions: readonly RecordPosition[]
}

export interface ReadOptions {
  /** The first offset wanted. */
  from: number
  /** Default 500. */
  maxRecords?: number
  /** Reading stops when the records have so many bytes; at least one is read. Default 16 MB. */
  maxBytes?: number
}

export interface ReadResult {
  readonly records: readonly LogRecord[]
  /** Where to read on. */
  readonly nextOffset: number
  /** What the records need in memory, or about as much: they are read in batches, and share the bytes of theirs. */
  readonly bytes: number
}

/** A record of a key with its version: dense from 0 on `'history'` topics, the offset on `'latest'`. */
export interface KeyedRecord extends LogRecord {
  readonly version: number
}

export interface KeyHistoryOptions {
  /** The first version; with `reverse` the newest one that is wanted. Default: from the oldest, or the newest, on. */
  from?: number
  /** Newest first. Default false. */
  reverse?: boolean
  /** Default: all. */
  limit?: number
  /** Reading stops when the values have so many bytes; at least one record is read. Default: no limit. */
  maxBytes?: number
}

/** What is read of keyed topics and private key spaces, from the log or inside a transaction (with its own writes). */
export interface LogReader {
  /** The last record of a key; `undefined` when there is none or it is a tombstone (`'latest'`). */
  get(topic: string, key: Uint8Array): Promise<KeyedRecord | undefined>
  /** All records of a key of a `'history'` topic, in order. A key without records has none. */
  history(topic: string, key: Uint8Array, options?: KeyHistoryOptions): Promise<KeyedRecord[]>
  /**
   * The last records of all keys with a prefix, in byte order of the keys. Keys whose last record is a tombstone
   * (`'latest'`), or of whose history nothing is left (`'history'`), are left out.
   */
  scan(topic: string, prefix?: Uint8Array): AsyncIterable<KeyedRecord>
  /** The value of a private key. */
  getState(space: string, key: Uint8Array): Promise<Uint8Array | undefined>
  /** The entries of a private key space with a prefix, in byte order. */
  scanState(space: string, prefix?: Uint8Array): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>
}

export interface CommittedPosition {
  /** The next offset that the group wants. */
  readonly offset: number
  readonly metadata: string
}

export interface PositionCommit {
  groupId: string
  topic: string
  partition: number
  offset: number
  /** Free text kept with the position. Default empty. */
  metadata?: string
  /** The committing member; its generation is checked in the commit itself. */
  member?: GroupMember
}

/** A position that depends on what other commits have acknowledged, and so is known only in the order of commits. */
export interface DecidedPosition extends Omit<PositionCommit, 'offset' | 'metadata'> {
  /**
   * Called synchronously when the commit has its place in the order: every commit of this group and partition before it has
   * happened, or will unless storage fails. Throwing refuses the commit. A log that commits optimistically decides one
   * commit of a group and partition at a time, and may call again for another attempt, after `refused`.
   */
  decide(): CommittedPosition
  /** The commit that was decided has not happened: what `decide` has noted is to be taken back. */
  refused?(): void
}

/** How many records of a partition a group has still to read. */
export interface PartitionLag {
  readonly partition: number
  /**
   * A count of records. A partition without a committed position counts all its records; those that compaction or
   * truncation has taken away may be among them.
   */
  readonly lag: number
}

/** A group of a topic: the same id on another topic is another group. */
export interface GroupSummary {
  readonly groupId: string
  readonly topic: string
  /** How many members are active now. */
  readonly members: number
}

export interface GroupDescription extends GroupSummary {
  readonly memberDetails: readonly { readonly memberId: string; readonly partitions: readonly number[] }[]
  readonly positions: readonly (PartitionLag & { readonly position: CommittedPosition | undefined })[]
}

/** Where a group is to go on: `offset` in the topic, `time` of appending in milliseconds. */
export type ResetTo = 'earliest' | 'latest' | { readonly offset: number } | { readonly time: number }

/** Everything done on it becomes durable and visible in one commit, or nothing does. */
export interface Transaction extends LogReader {
  append(topic: string, records: OutgoingRecord | readonly OutgoingRecord[], options?: AppendOptions): Receipt
  putState(space: string, key: Uint8Array, value: Uint8Array): void
  deleteState(space: string, key: Uint8Array): void
  /** As that of the log. */
  truncateHistory(topic: string, key: Uint8Array, before: number): void
  commitPosition(position: PositionCommit | DecidedPosition): void
  /**
   * Calls back in the turn in which the commit becomes visible, before the transaction's promise resolves; never when
   * it is refused or tried again. For those who keep in memory what the transaction has stored.
   */
  onCommit(callback: () => void): void
}

export interface TransactionOptions {
  /** How often the function is run again after `TRANSACTION_CONFLICT`. Default 5. */
  retries?: number
}

/** Live reading of some partitions: from memory or storage, as fast as the reader asks. */
export interface Follower {
  /** Waits for records; `undefined` once closed. Records of one call belong to one partition. */
  next(): Promise<(ReadResult & { readonly partition: number }) | undefined>
  close(): void
}

export interface FollowOptions {
  /** Next offset wanted, by partition: the partitions that are followed. */
  positions: ReadonlyMap<number, number>
  /**
   * Only the records of this key of a `'history'` topic, whose partition alone is followed: nothing else is read, however much the
   * topic has. Records that were truncated may be left out. A page without records says that there is none below its `nextOffset`.
   */
  key?: Uint8Array
  /** Whether partitions that are added to the topic later are followed as well, from their beginning. Default false. */
  addedPartitions?: boolean
  /** Largest number of records of one `next()`. Default 500. */
  maxRecords?: number
  /** One `next()` stops reading when the records have so many bytes; it gives at least one. Default 16 MB. */
  maxBytes?: number
  signal?: AbortSignal
}

export interface JoinOptions {
  groupId: string
  topic: string
  /**
   * How long the member may show no sign of life before the others of its group take its partitions: milliseconds or
   * `'30s'`, the default. Between processes only: members of one process share its event loop.
   */
  sessionTimeout?: number | string
  /**
   * A name of 1 to 200 characters that a member keeps when it is started again: it leaves without its partitions going to
   * others, and has them again when it joins within `sessionTimeout`. Another one that joins with the same name takes its
   * place, and what the former does is fenced. Where `capabilities.staticMembers`.
   */
  instanceId?: string
  /** Called when the member's partitions change: `revoked` are gone when it resolves, `assigned` are new. */
  onAssignment(change: { assigned: readonly number[]; revoked: readonly number[] }): Promise<void>
}

/** A member of a consumer group; the partitions of the topic are shared among the members. */
export interface GroupMember {
  readonly groupId: string
  readonly topic: string
  readonly memberId: string
  readonly partitions: ReadonlySet<number>
  /** Rises with each change of the group's membership that this member has seen. */
  readonly generation: number
  leave(): Promise<void>
}

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
  /** Whether `retention` can limit the bytes of a partition; otherwise it is refused with `NOT_SUPPORTED`. */
  readonly retentionBytes: boolean
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
   * of a partition, or of a key, are in the order of the calls; those of different ones if the first call was awaited.
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
