/** A record of a topic; every value of a history is unique. */
export interface Sent {
  readonly topic: string
  readonly value: string
  /** Of a record of a compacted topic: it may go when a later one has its key. */
  readonly key?: string
  /** Known once it is acknowledged. */
  readonly partition?: number
  readonly offset?: number
}

/** Neighbouring records of one partition, as one read gave them. */
export interface Polled {
  readonly topic: string
  readonly partition: number
  readonly records: readonly { readonly offset: number; readonly value: string }[]
  /** The read went on where this process's one before ended: nothing may be between. */
  readonly continues: boolean
}

/** The newest record of a key as it was read; version -1 when there was none. */
export interface KeyRead {
  readonly topic: string
  readonly key: string
  readonly version: number
}

export interface KeyWritten {
  readonly topic: string
  readonly key: string
  readonly value: string
  /** The version that it was to replace; left out when any was right. */
  readonly expected?: number
  /** Known once it is acknowledged. */
  readonly version?: number
}

/** A position that a group has committed, or was read as its committed one. */
export interface Position {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** The last record of a key of a compacted topic, read by the key; offset -1 when there was none. */
export interface RowRead {
  readonly topic: string
  readonly key: string
  readonly offset: number
}

/** The versions below `before` of a history were taken away. */
export interface Truncation {
  readonly topic: string
  readonly key: string
  readonly before: number
}

/** The versions of a truncated history as they were read. */
export interface StreamRead {
  readonly topic: string
  readonly key: string
  readonly versions: readonly number[]
}

/**
 * One transaction, or one single operation. `start` and `end` are places in the order of the whole history.
 * The outcome is `'unknown'` when the process died, or the storage failed, before it was told.
 */
export interface Operation {
  readonly process: string
  readonly start: number
  readonly end: number
  readonly outcome: 'ok' | 'failed' | 'unknown'
  /** Why it was refused, or is not known. */
  readonly reason?: string
  readonly sent: readonly Sent[]
  readonly polled: readonly Polled[]
  readonly keyReads: readonly KeyRead[]
  readonly keysWritten: readonly KeyWritten[]
  readonly committed: readonly Position[]
  readonly committedReads: readonly Position[]
  readonly rowReads: readonly RowRead[]
  /** What was appended to histories that are truncated. */
  readonly appended: readonly KeyWritten[]
  readonly truncated: readonly Truncation[]
  readonly streamReads: readonly StreamRead[]
}

/** What is there when all is over: read after a clean reopening. */
export interface FinalState {
  /** All records by `topic/partition`, in order of reading. */
  readonly records: ReadonlyMap<string, readonly { readonly offset: number; readonly value: string }[]>
  /** All records of a key by `topic/key`, in order; the versions are 0, 1, 2 … */
  readonly histories: ReadonlyMap<string, readonly string[]>
  readonly positions: readonly Position[]
  /** The offset of the last record of each key of a compacted topic, read by the key, by `topic/key`. */
  readonly rows: ReadonlyMap<string, number>
  /** What is left of each truncated history by `topic/key`. */
  readonly streams: ReadonlyMap<string, readonly { readonly version: number; readonly value: string }[]>
}

export interface History {
  readonly operations: readonly Operation[]
  readonly final: FinalState
}

/** Something that no run may show, with the smallest thing that shows it. */
export interface Anomaly {
  readonly name: AnomalyName
  readonly example: string
}

/** The names are those of Jepsen's Kafka tests and of Adya's isolation phenomena. */
export type AnomalyName =
  /** What `verifyLog` finds. */
  | 'not-sound'
  | 'inconsistent-offsets'
  | 'duplicate'
  | 'aborted-read'
  | 'lost-write'
  | 'unwritten-read'
  | 'poll-skip'
  | 'nonmonotonic-poll'
  | 'nonmonotonic-send'
  | 'torn-transaction'
  | 'version-conflict'
  | 'lost-version'
  | 'version-gap'
  | 'truncated-read'
  | 'stale-row'
  | 'position-regression'
  | 'position-overrun'
  | 'position-lost'
  | 'G0'
  | 'G1c'
  | 'G-single'
  | 'G2'

export const partitionName = (topic: string, partition: number): string => `${topic}/${partition}`
export const keyName = (topic: string, key: string): string => `${topic}/${key}`

/** Whether a record stays whatever comes after it. */
export const lasts = ({ key }: Sent): boolean => key === undefined
