import { AegisError } from '@aegis/storage'
import { abandonedKey, escaped, groupKey, Space, text, topicRange, u32, unescaped } from '../keys.ts'
import type {
  CommittedPosition,
  DecidedPosition,
  GroupDescription,
  GroupSummary,
  PartitionLag,
  PositionCommit,
  ResetTo,
} from '../log.ts'
import { AbandonedGroups } from './abandoned-groups.ts'
import { offsetForTime, recordsFrom } from './batch-reader.ts'
import type { GroupCoordinator } from './group-coordinator.ts'
import { checkMember } from './member.ts'
import { assertNotLost } from './restored-topic.ts'
import type { Sequencer } from './sequencer.ts'
import type { Stage } from './stage.ts'
import type { StoredReads } from './stored-reads.ts'
import type { DeletedTopic } from './topic-catalog.ts'
import type { TopicState } from './topic-state.ts'

const maxMetadataBytes = 32_768

interface Host {
  readonly storage: StoredReads
  readonly sequencer: Sequencer
  state(topic: string): TopicState
  topics(): Iterable<TopicState>
}

/** A coordinator by topic and group; there is one as long as somebody has joined since the log was opened. */
export type Coordinators = ReadonlyMap<TopicState, ReadonlyMap<string, GroupCoordinator>>

/** The committed positions of groups, and what follows from them. */
export class GroupPositions {
  readonly #host: Host
  readonly #coordinators: Coordinators
  readonly #abandoned = new AbandonedGroups()

  constructor(host: Host, coordinators: Coordinators) {
    this.#host = host
    this.#coordinators = coordinators
  }

  load(): Promise<void> {
    return this.#abandoned.load(this.#host.storage)
  }

  /** Notes which groups had positions in a topic that was deleted. */
  async abandon({ id, name }: DeletedTopic): Promise<void> {
    const groups = await this.#stored(id)
    if (groups.length === 0) return
    await this.#host.sequencer.submit({
      reads: [],
      decide(stage) {
        for (const groupId of groups) stage.put(abandonedKey(name, groupId), new Uint8Array())
      },
      committed: () => this.#abandoned.add(name, groups),
    })
  }

  async committed(groupId: string, name: string, partition: number): Promise<CommittedPosition | undefined> {
    const { id } = this.#host.state(name).config
    this.#abandoned.check(name, groupId)
    const stored = await this.#host.storage.get(groupKey(id, groupId, partition))
    return stored === undefined ? undefined : decode(stored)
  }

  /** To be called where the order is decided: so the fence holds for the commit itself. */
  fence({ groupId, topic, partition, member }: PositionCommit | DecidedPosition): void {
    this.#host.state(topic)
    this.#abandoned.check(topic, groupId)
    if (member !== undefined) checkMember(member, groupId, topic, partition)
  }

  stage(position: PositionCommit | DecidedPosition, stage: Stage): void {
    const { groupId, topic, partition } = position
    const decided = 'decide' in position ? { ...position, ...position.decide() } : position
    this.check(decided)
    const { offset, metadata = '' } = decided
    const key = groupKey(this.#host.state(topic).config.id, groupId, partition)
    stage.put(key, Buffer.from(JSON.stringify({ offset, metadata })))
  }

  check({ groupId, topic: name, partition, offset, metadata = '' }: PositionCommit): void {
    const topic = this.#host.state(name)
    const { partitions } = topic.config
    if (typeof groupId !== 'string' || groupId === '' || !groupId.isWellFormed() || groupId.length > 1000) {
      throw new AegisError('LOG_INVALID', `groupId is ${JSON.stringify(groupId)}: give a text of 1 to 1,000 characters`)
    }
    if (!Number.isInteger(partition) || partition < 0 || partition >= partitions) {
      throw new AegisError(
        'PARTITION_UNKNOWN',
        `partition ${partition} of topic ${name}: it has 0 to ${partitions - 1}`,
      )
    }
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new AegisError('LOG_INVALID', `offset of group ${groupId} is ${String(offset)}: give an offset`)
    }
    assertNotLost(topic, offset)
    if (typeof metadata !== 'string' || Buffer.byteLength(metadata) > maxMetadataBytes) {
      throw new AegisError(
        'LOG_INVALID',
        `metadata of group ${groupId}: give a text of at most ${maxMetadataBytes} bytes`,
      )
    }
  }

  async lag(groupId: string, name: string): Promise<PartitionLag[]> {
    const { positions } = await this.describe(groupId, name)
    return positions.map(({ partition, lag }) => ({ partition, lag }))
  }

  async describe(groupId: string, name: string): Promise<GroupDescription> {
    const { storage } = this.#host
    const topic = this.#host.state(name)
    const partitions = topic.partitions.map(({ partition }) => partition)
    const stored = await storage.getMany(partitions.map(partition => groupKey(topic.config.id, groupId, partition)))
    const positions = await Promise.all(
      partitions.map(async partition => {
        const bytes = stored[partition]
        const position = bytes === undefined ? undefined : decode(bytes)
        return { partition, position, lag: await recordsFrom(storage, topic, partition, position?.offset ?? 0) }
      }),
    )
    const members = this.#coordinators.get(topic)?.get(groupId)?.members ?? []
    return {
      groupId,
      topic: name,
      members: members.length,
      memberDetails: members.map(member => ({
        memberId: member.memberId,
        partitions: [...member.partitions].sort((a, b) => a - b),
      })),
      positions,
    }
  }

  async list(): Promise<GroupSummary[]> {
    const found: GroupSummary[] = []
    for (const topic of this.#host.topics()) {
      const groups = new Map((await this.#stored(topic.config.id)).map(groupId => [groupId, 0]))
      for (const [groupId, { members }] of this.#coordinators.get(topic) ?? []) {
        // Whose members have all left, and who never committed anything, is no group.
        if (members.length > 0) groups.set(groupId, members.length)
      }
      for (const [groupId, members] of groups) found.push({ groupId, topic: topic.config.name, members })
    }
    return found
  }

  async reset(groupId: string, name: string, to: ResetTo): Promise<void> {
    const topic = this.#host.state(name)
    const commits = await Promise.all(
      topic.partitions.map(async ({ partition }) => {
        const commit = { groupId, topic: name, partition, offset: await this.#target(topic, partition, to) }
        this.check(commit)
        return commit
      }),
    )
    const decide = (stage: Stage): void => {
      const members = this.#coordinators.get(topic)?.get(groupId)?.members.length ?? 0
      if (members > 0) {
        throw new AegisError(
          'GROUP_ACTIVE',
          `group ${groupId} of topic ${name} has ${members} active members: close them first`,
          { details: { groupId, topic: name, members } },
        )
      }
      for (const commit of commits) this.stage(commit, stage)
      stage.delete(abandonedKey(name, groupId))
    }
    const committed = (): void => this.#abandoned.delete(name, groupId)
    await this.#host.sequencer.submit({ reads: [], decide, committed })
  }

  async #target(topic: TopicState, partition: number, to: ResetTo): Promise<number> {
    if (to === 'earliest') return topic.partitions[partition]!.durable.startOffset
    if (to === 'latest') return topic.endOffset
    if (typeof to === 'object' && 'offset' in to) return to.offset
    if (typeof to === 'object' && Number.isSafeInteger(to.time)) {
      return offsetForTime(this.#host.storage, topic, partition, to.time)
    }
    throw new AegisError(
      'LOG_INVALID',
      `to is ${JSON.stringify(to)}: give 'earliest', 'latest', { offset } or { time }`,
    )
  }

  /** Ids of the groups with positions: one seek for each, however many partitions they have. */
  async #stored(topicId: number): Promise<string[]> {
    const { gte, lt } = topicRange(Space.group, topicId)
    const groups: string[] = []
    for (let from = gte; ; ) {
      let last: string | undefined
      for await (const entries of this.#host.storage.range({ gte: from, lt, limit: 1 })) {
        for (const [key] of entries) last = Buffer.from(unescaped(key, gte.length)).toString('utf8')
      }
      if (last === undefined) return groups
      groups.push(last)
      from = Buffer.concat([gte, escaped(text(last)), u32(0xffff_ffff)])
    }
  }
}

const decode = (stored: Uint8Array): CommittedPosition =>
  JSON.parse(Buffer.from(stored.buffer, stored.byteOffset, stored.length).toString('utf8')) as CommittedPosition
