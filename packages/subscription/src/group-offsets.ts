import type { CommittedPosition, GroupMember, Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { SeekTo } from './feed.ts'
import type { Settings } from './settings.ts'

/** Where the partitions of a topic are read from, and the positions of the group in them. */
export class GroupOffsets {
  readonly #log: Log
  readonly #topic: string
  readonly #settings: Settings
  /** The partitions that the topic had when the start was fixed, and its end then. */
  readonly #known: number
  readonly #end: number
  member: GroupMember | undefined

  constructor(log: Log, topic: string, settings: Settings, known: number, end: number) {
    this.#log = log
    this.#topic = topic
    this.#settings = settings
    this.#known = known
    this.#end = end
  }

  /** Where the group is, or else where to start; then that is committed for the group. */
  async start(partition: number): Promise<CommittedPosition> {
    const { groupId, from } = this.#settings
    const committed = groupId === undefined ? undefined : await this.#log.committed(groupId, this.#topic, partition)
    if (committed !== undefined) return committed
    // What comes into partitions that are new since then was published after the start.
    const place = partition < this.#known ? from : 'earliest'
    const position = { offset: place === 'latest' ? this.#end : await this.of(partition, place), metadata: '' }
    if (groupId === undefined) return position
    try {
      await this.#log.commitPosition({ groupId, topic: this.#topic, partition, ...position })
    } catch (error) {
      if (!AegisError.is(error, 'GENERATION_FENCED')) throw error
      // Another process has fixed the start just now: the group goes on from there. Or it has taken the partition and not done so
      // yet: then it is about to be taken away here, and nothing of it can be committed.
      return (await this.#log.committed(groupId, this.#topic, partition)) ?? position
    }
    return position
  }

  async of(partition: number, to: SeekTo): Promise<number> {
    if (to === 'latest') return this.#log.endOffset(this.#topic)
    if (to === 'earliest') return 0
    return 'offset' in to ? to.offset : this.#log.offsetForTime(this.#topic, partition, to.time)
  }

  /** Gives false when the partition is another member's now. Without a group there is nothing to commit. */
  async commit(partition: number, offset: number): Promise<boolean> {
    const { groupId } = this.#settings
    if (groupId === undefined) return true
    const { member } = this
    try {
      await this.#log.commitPosition({ groupId, topic: this.#topic, partition, offset, ...(member && { member }) })
      return true
    } catch (error) {
      if (AegisError.is(error, 'GENERATION_FENCED')) return false
      throw error
    }
  }
}
