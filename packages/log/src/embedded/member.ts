import { AegisError } from '@aegis/storage'
import { parseDuration } from '../duration.ts'
import type { GroupMember, JoinOptions } from '../log.ts'

/** A member as the coordinator of its group knows it. */
export class Member implements GroupMember {
  readonly groupId: string
  readonly topic: string
  readonly memberId: string
  readonly partitions = new Set<number>()
  readonly instanceId: string | undefined
  /** How long its place is kept when it has an instance id and leaves, in milliseconds. */
  readonly sessionTimeout: number
  /** Keeps the place of an instance that has left. */
  readonly standsIn: boolean
  readonly #onAssignment: JoinOptions['onAssignment']
  readonly #leave: (member: Member) => Promise<void>
  generation = 0
  left: Promise<void> | undefined
  /** Whether `onAssignment` is running. */
  told = false

  constructor(
    memberId: string,
    options: JoinOptions,
    leave: (member: Member) => Promise<void>,
    { standsIn }: { readonly standsIn: boolean } = { standsIn: false },
  ) {
    this.instanceId = options.instanceId
    this.sessionTimeout = parseDuration('sessionTimeout', options.sessionTimeout ?? '30s')
    this.standsIn = standsIn
    this.groupId = options.groupId
    this.topic = options.topic
    this.memberId = memberId
    this.#onAssignment = options.onAssignment
    this.#leave = leave
  }

  async tell(change: Parameters<JoinOptions['onAssignment']>[0]): Promise<void> {
    this.told = true
    try {
      await this.#onAssignment(change)
    } finally {
      this.told = false
    }
  }

  /** Whatever stops this process stops the others of its group as well. */
  confirmed(): undefined {
    return undefined
  }

  leave(): Promise<void> {
    return (this.left ??= this.#leave(this))
  }
}

/** @throws AegisError `GENERATION_FENCED` when the partition is no longer the member's */
export function checkMember(member: GroupMember, groupId: string, topic: string, partition: number): void {
  if (member.groupId === groupId && member.topic === topic && member.partitions.has(partition)) return
  throw new AegisError(
    'GENERATION_FENCED',
    `partition ${partition} of ${topic} is not, or no longer, of member ${member.memberId} of group ${member.groupId}`,
    { details: { groupId, topic, partition, memberId: member.memberId, generation: member.generation } },
  )
}
