import type { LogRecord } from './records.ts'

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
