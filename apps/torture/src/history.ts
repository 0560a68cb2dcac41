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

/** A message that was handed over to a member of a group of subscriptions. Times are milliseconds since the epoch. */
export interface Handed {
  readonly group: string
  readonly value: string
  /** Which delivery it is, 1 for the first. */
  readonly attempts: number
  /** Not after it was handed over, so that its lease, if it has one, goes on for half of its length from then on at least. */
  readonly begun: number
  /** Not before it was handed over. */
  readonly seen: number
}

/** Messages of a group of which something was said. */
export interface Settled {
  readonly group: string
  readonly value: string
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
  readonly handed: readonly Handed[]
  /** Acknowledged: from the beginning of the operation on nobody is to have them again, unless the process dies. */
  readonly acknowledged: readonly Settled[]
  /** Given back to be delivered again. */
  readonly refused: readonly Settled[]
  /** Groups that the process leaves: what it has not acknowledged is delivered to others. */
  readonly left: readonly string[]
  /** Acknowledged before, and durable when the operation has ended well. */
  readonly committedAcknowledgements: readonly Settled[]
}

/** An operation that does nothing yet. */
export const noActions = {
  sent: [],
  polled: [],
  keyReads: [],
  keysWritten: [],
  committed: [],
  committedReads: [],
  rowReads: [],
  appended: [],
  truncated: [],
  streamReads: [],
  handed: [],
  acknowledged: [],
  refused: [],
  left: [],
  committedAcknowledgements: [],
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
  /** The values of the dead letters by group. */
  readonly dead: ReadonlyMap<string, ReadonlySet<string>>
  /** Groups that have nothing left to be handed over. */
  readonly drained: readonly string[]
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
  /** Handed over while somebody else had it, or, where nothing is to come twice, a second time. */
  | 'double-delivery'
  /** Handed over after its acknowledgement was durable. */
  | 'acknowledgement-lost'
  /** A group is through, and nobody of it has acknowledged the message. */
  | 'message-lost'
  /** A group does not come to the end of what there is. */
  | 'undelivered'
  /** A later delivery has not counted the ones before. */
  | 'attempts-regression'
  | 'G0'
  | 'G1c'
  | 'G-single'
  | 'G2'

export const partitionName = (topic: string, partition: number): string => `${topic}/${partition}`
export const keyName = (topic: string, key: string): string => `${topic}/${key}`

/** Whether a record stays whatever comes after it. */
export const lasts = ({ key }: Sent): boolean => key === undefined
