import type { GroupDescription, GroupSummary, ResetTo } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Domain } from '../domain.ts'
import { offsetAtTime, recordsFrom } from '../partition-figures.ts'
import { firstOffset, topicEnd } from '../partition-reader.ts'
import { checkGroupId, type Positions } from '../positions.ts'
import type { Topic } from '../topic.ts'
import type { GroupRecord } from './group-record.ts'
import type { Groups } from './groups.ts'

/** Clocks of different machines differ: who was heard of so lately, in milliseconds, counts as alive in any case. */
const clockDifference = 2_000

/** What is known of groups, and moving them. */
export class GroupReports {
  readonly #domain: Domain
  readonly #positions: Positions
  readonly #groups: Groups
  readonly #topics: () => Iterable<Topic>

  constructor(domain: Domain, positions: Positions, groups: Groups, topics: () => Iterable<Topic>) {
    this.#domain = domain
    this.#positions = positions
    this.#groups = groups
    this.#topics = topics
  }

  async list(): Promise<GroupSummary[]> {
    const found: GroupSummary[] = []
    for (const topic of this.#topics()) {
      const groups = new Map((await this.#positions.groups(topic)).map(groupId => [groupId, 0]))
      for (const record of await this.#groups.store.records(topic)) {
        const members = (await this.#alive(topic, record)).length
        if (members > 0) groups.set(record.groupId, members)
      }
      for (const [groupId, members] of groups) found.push({ groupId, topic: topic.config.name, members })
    }
    return found
  }

  async describe(topic: Topic, groupId: string): Promise<GroupDescription> {
    checkGroupId(groupId)
    const record = await this.#groups.store.record(topic, groupId)
    const members = record === undefined ? [] : await this.#alive(topic, record)
    const positions = await Promise.all(
      partitionsOf(topic).map(async partition => {
        const position = await this.#positions.committed(topic, groupId, partition)
        return { partition, position, lag: await recordsFrom(this.#domain, topic, partition, position?.offset ?? 0) }
      }),
    )
    const memberDetails = members.map(memberId => ({
      memberId,
      partitions: partitionsOf(topic).filter(partition => record?.owners[partition] === memberId),
    }))
    return { groupId, topic: topic.config.name, members: members.length, memberDetails, positions }
  }

  async reset(topic: Topic, groupId: string, to: ResetTo): Promise<void> {
    const { name } = topic.config
    const commits = await Promise.all(
      partitionsOf(topic).map(async partition => {
        const commit = { groupId, topic: name, partition, offset: await this.#target(topic, partition, to) }
        this.#positions.check(topic, commit)
        return commit
      }),
    )
    const record = await this.#groups.store.record(topic, groupId)
    const members = record === undefined ? 0 : (await this.#alive(topic, record)).length
    if (members > 0) {
      throw new AegisError(
        'GROUP_ACTIVE',
        `group ${groupId} of topic ${name} has ${members} active members: close them first`,
        { details: { groupId, topic: name, members } },
      )
    }
    for (const commit of commits) await this.#positions.reset(topic, commit)
  }

  /** Those that are there and not overdue. */
  async #alive(topic: Topic, { groupId, members }: GroupRecord): Promise<string[]> {
    const alive: string[] = []
    for (const { id, sessionTimeout, away } of members) {
      if (away === true) continue
      const sign = await this.#groups.store.lastSign(topic, groupId, id)
      if (sign !== undefined && Date.now() - sign < sessionTimeout + clockDifference) alive.push(id)
    }
    return alive
  }

  async #target(topic: Topic, partition: number, to: ResetTo): Promise<number> {
    if (to === 'earliest') return firstOffset(this.#domain, topic, partition)
    if (to === 'latest') return topicEnd(this.#domain, topic)
    if (typeof to === 'object' && 'offset' in to) return to.offset
    if (typeof to === 'object' && Number.isSafeInteger(to.time)) {
      return offsetAtTime(this.#domain, topic, partition, to.time)
    }
    throw new AegisError(
      'LOG_INVALID',
      `to is ${JSON.stringify(to)}: give 'earliest', 'latest', { offset } or { time }`,
    )
  }
}

const partitionsOf = ({ config: { partitions } }: Topic): number[] =>
  Array.from({ length: partitions }, (_, partition) => partition)
