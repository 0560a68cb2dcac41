import type { CommittedPosition, DecidedPosition, PositionCommit } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import type { Locks } from './locks.ts'
import { lastMessage } from './messages.ts'
import { type OutgoingMessage, type Publisher, SequenceConflict } from './publisher.ts'
import type { StoredMessage } from './stored-message.ts'
import { bytesOf, tokenOf } from './subjects.ts'
import type { Topic } from './topic.ts'

const maxMetadataBytes = 32_768

/** What is stored of a group's position. Without `offset` a member has taken the partition and committed nothing yet. */
interface StoredPosition {
  /** Of the topic that it is a position of. */
  readonly incarnation: string
  readonly offset?: number
  readonly metadata?: string
  /** The member that wrote it. */
  readonly member?: string
  /** The group, where the subject has only the digest of its id. */
  readonly group?: string
}

const parse = ({ data }: StoredMessage): StoredPosition =>
  JSON.parse(Buffer.from(data).toString('utf8')) as StoredPosition

const hidden = (groupId: string): { group?: string } =>
  bytesOf(tokenOf(groupId)) === undefined ? { group: groupId } : {}

function outlived(topic: Topic, groupId: string, partition: number): AegisError {
  const { name } = topic.config
  return new AegisError(
    'OFFSET_RESET',
    `the position of group ${groupId} belongs to a topic ${name} that was deleted: resetGroup() says where to go on in the new one`,
    { details: { groupId, topic: name, partition } },
  )
}

function fenced({ groupId, topic, partition, member }: PositionCommit | DecidedPosition): AegisError {
  return new AegisError(
    'GENERATION_FENCED',
    `partition ${partition} of ${topic} is not, or no longer, of member ${member?.memberId ?? '?'} of group ${groupId}`,
    { details: { groupId, topic, partition, memberId: member?.memberId, generation: member?.generation } },
  )
}

interface Held {
  readonly memberId: string
  readonly sequence: number
  /** Somebody else has written to the partition's subject. */
  readonly lost: () => void
}

/**
 * The committed positions of groups, each the last message on a subject of its own.
 *
 * A member takes a partition by writing to that subject; from then on it commits only on top of its own last message.
 * Whoever takes the partition next breaks that chain, so what a paused or cut-off member commits afterwards is refused
 * by the stream itself.
 */
export class Positions {
  readonly #domain: Domain
  readonly #publisher: Publisher
  readonly #locks: Locks
  /** By subject, the member of this process that has the partition, and the sequence that it goes on from. */
  readonly #held = new Map<string, Held>()
  /** By subject, the incarnation that its position is known to be of. */
  readonly #current = new Map<string, string>()

  constructor(domain: Domain, publisher: Publisher, locks: Locks) {
    this.#domain = domain
    this.#publisher = publisher
    this.#locks = locks
  }

  subject(topic: Topic, groupId: string, partition: number): string {
    return this.#domain.subjects.position(topic.config.name, groupId, partition)
  }

  async committed(topic: Topic, groupId: string, partition: number): Promise<CommittedPosition | undefined> {
    const subject = this.subject(topic, groupId, partition)
    // What a member goes on from must be what it goes on top of: an older position would be written over the newer one.
    const message = await lastMessage(this.#domain, subject, this.#held.get(subject)?.sequence)
    if (message === undefined) return undefined
    const { offset, metadata = '', incarnation } = parse(message)
    if (offset === undefined) return undefined
    if (incarnation === topic.config.incarnation) return { offset, metadata }
    throw outlived(topic, groupId, partition)
  }

  /**
   * Takes a partition for a member: everybody who had it before is refused from then on. `lost` is called when the member
   * itself is refused.
   */
  async take(topic: Topic, groupId: string, partition: number, memberId: string, lost: () => void): Promise<void> {
    const subject = this.subject(topic, groupId, partition)
    const release = await this.#locks.acquire([subject])
    try {
      for (;;) {
        const message = await lastMessage(this.#domain, subject)
        const before = message === undefined ? undefined : parse(message)
        const { offset, metadata } = before ?? {}
        const stored: StoredPosition = {
          incarnation: before?.incarnation ?? topic.config.incarnation,
          ...(offset !== undefined && { offset }),
          ...(metadata !== undefined && { metadata }),
          member: memberId,
          ...hidden(groupId),
        }
        const data = Buffer.from(JSON.stringify(stored))
        try {
          const expected = message?.sequence ?? 0
          const sequence = await this.#publisher.publish({ subject, data, expected, rollup: true })
          this.#held.set(subject, { memberId, sequence, lost })
          return
        } catch (error) {
          if (!(error instanceof SequenceConflict)) throw error
        }
      }
    } finally {
      release()
    }
  }

  /** Ids of the groups that have committed something. */
  async groups(topic: Topic): Promise<string[]> {
    const { manager, stream, patience, subjects } = this.#domain
    const filter = subjects.positions(topic.config.name)
    const { state } = await patience.request('listing groups', () =>
      manager.streams.info(stream, { subjects_filter: filter }),
    )
    const groups = new Set<string>()
    for (const subject of Object.keys(state.subjects ?? {})) {
      const message = await lastMessage(this.#domain, subject)
      if (message === undefined) continue
      const { offset, group, incarnation } = parse(message)
      const readable = bytesOf(subject.split('.').at(-2) ?? '')
      const groupId = group ?? (readable === undefined ? undefined : Buffer.from(readable).toString('utf8'))
      const current = offset !== undefined && incarnation === topic.config.incarnation
      if (current && groupId !== undefined) groups.add(groupId)
    }
    return [...groups]
  }

  /** The member of this process has the partition no longer. */
  giveUp(topic: Topic, groupId: string, partition: number, memberId: string): void {
    const subject = this.subject(topic, groupId, partition)
    // Another member of this process may have taken it meanwhile.
    if (this.#held.get(subject)?.memberId === memberId) this.#held.delete(subject)
  }

  /**
   * To be called before a position is committed: one of a topic that was deleted is not overwritten unasked.
   * @throws AegisError `OFFSET_RESET`
   */
  async checkIncarnation(topic: Topic, groupId: string, partition: number): Promise<void> {
    const subject = this.subject(topic, groupId, partition)
    const { incarnation } = topic.config
    if (this.#current.get(subject) === incarnation) return
    const message = await lastMessage(this.#domain, subject)
    const stored = message === undefined ? undefined : parse(message)
    if (stored?.offset !== undefined && stored.incarnation !== incarnation) throw outlived(topic, groupId, partition)
    this.#current.set(subject, incarnation)
  }

  /** Puts a group somewhere, whatever it was at. */
  async reset(topic: Topic, position: PositionCommit): Promise<void> {
    this.#current.set(this.subject(topic, position.groupId, position.partition), topic.config.incarnation)
    await this.commit(topic, position)
  }

  /** @throws AegisError `GENERATION_FENCED`, `OFFSET_RESET`; who commits without a member overwrites what is there */
  async commit(topic: Topic, position: PositionCommit): Promise<void> {
    await this.checkIncarnation(topic, position.groupId, position.partition)
    const subject = this.subject(topic, position.groupId, position.partition)
    const release = await this.#locks.acquire([subject])
    try {
      const message = this.message(topic, position)
      this.wrote(subject, await this.#publisher.publish({ ...message, rollup: true }))
    } catch (error) {
      if (!(error instanceof SequenceConflict)) throw error
      this.#held.get(subject)?.lost()
      throw fenced(position)
    } finally {
      release()
    }
  }

  /**
   * The message that commits a position; to be called with the lock of its subject held until the outcome is known.
   * @throws AegisError `GENERATION_FENCED`
   */
  message(topic: Topic, given: PositionCommit | DecidedPosition): OutgoingMessage {
    const { groupId, partition, member } = given
    const subject = this.subject(topic, groupId, partition)
    const held = this.#held.get(subject)
    if (member !== undefined) {
      const own = member.groupId === groupId && member.topic === topic.config.name && member.partitions.has(partition)
      if (!own || held?.memberId !== member.memberId) throw fenced(given)
    }
    const position = 'decide' in given ? { ...given, ...given.decide() } : given
    this.check(topic, position)
    const { offset, metadata = '' } = position
    const stored: StoredPosition = {
      incarnation: topic.config.incarnation,
      offset,
      metadata,
      ...(member !== undefined && { member: member.memberId }),
      ...hidden(groupId),
    }
    const data = Buffer.from(JSON.stringify(stored))
    return held === undefined ? { subject, data } : { subject, data, expected: held.sequence }
  }

  /** A message of `message` is stored. */
  wrote(subject: string, sequence: number): void {
    const held = this.#held.get(subject)
    if (held !== undefined) this.#held.set(subject, { ...held, sequence })
  }

  /** Throws when somebody else has written on top of what the member has. */
  async checkHeld(topic: Topic, position: PositionCommit | DecidedPosition): Promise<void> {
    const subject = this.subject(topic, position.groupId, position.partition)
    const held = this.#held.get(subject)
    if (held === undefined) return
    const message = await lastMessage(this.#domain, subject)
    // One from before is what a server knows that leads no more: it says nothing.
    if (message !== undefined && message.sequence <= held.sequence) return
    held.lost()
    throw fenced(position)
  }

  /** @throws AegisError `LOG_INVALID`, `PARTITION_UNKNOWN` */
  check(topic: Topic, { groupId, partition, offset, metadata = '' }: PositionCommit): void {
    const { name, partitions } = topic.config
    checkGroupId(groupId)
    if (!Number.isInteger(partition) || partition < 0 || partition >= partitions) {
      throw new AegisError(
        'PARTITION_UNKNOWN',
        `partition ${partition} of topic ${name}: it has 0 to ${partitions - 1}`,
      )
    }
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new AegisError('LOG_INVALID', `offset of group ${groupId} is ${String(offset)}: give an offset`)
    }
    if (typeof metadata !== 'string' || Buffer.byteLength(metadata) > maxMetadataBytes) {
      throw new AegisError(
        'LOG_INVALID',
        `metadata of group ${groupId}: give a text of at most ${maxMetadataBytes} bytes`,
      )
    }
  }
}

export function checkGroupId(groupId: string): void {
  if (typeof groupId !== 'string' || groupId === '' || !groupId.isWellFormed() || groupId.length > 1000) {
    throw new AegisError('LOG_INVALID', `groupId is ${JSON.stringify(groupId)}: give a text of 1 to 1,000 characters`)
  }
}
