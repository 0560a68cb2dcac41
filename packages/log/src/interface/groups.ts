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
  /**
   * To be asked before something is handed over to somebody who will act on it: `undefined` while the member has shown itself
   * within its session timeout, by its own clock, and was still a member then. Otherwise it may have been stopped for so long that
   * its partitions are another's, and has not heard: resolves when it knows again which are its own, or has left.
   */
  confirmed(): Promise<void> | undefined
  leave(): Promise<void>
}
