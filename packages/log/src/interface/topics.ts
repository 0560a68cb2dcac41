import type { Codec } from '../codec.ts'

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
  /**
   * How many records there are. A guess where `capabilities.lag` is `'approximate'`: batches are counted, and the first and the
   * last say how many records one has.
   */
  readonly records: number
  /** Bytes of the stored batches, before compression; a guess where `records` is one. */
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
