import type { BatchRecord } from '../batch/layout.ts'

export type Header = { readonly key: string; readonly value: Uint8Array | null }

/** A record as it is stored. Offsets rise strictly over the whole topic; they need not be dense. */
export interface LogRecord extends BatchRecord {
  readonly topic: string
  readonly partition: number
  /** On `'history'` topics the number of the record within its key, dense from 0. */
  readonly version?: number
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
