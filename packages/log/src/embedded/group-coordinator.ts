import { AegisError } from '@aegis/storage'
import type { GroupMember, JoinOptions } from '../log.ts'

class Member implements GroupMember {
  readonly groupId: string
  readonly topic: string
  readonly memberId: string
  readonly partitions = new Set<number>()
  readonly #onAssignment: JoinOptions['onAssignment']
  readonly #leave: (member: Member) => Promise<void>
  generation = 0
  left: Promise<void> | undefined
  /** Whether `onAssignment` is running. */
  told = false

  constructor(memberId: string, options: JoinOptions, leave: (member: Member) => Promise<void>) {
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

  leave(): Promise<void> {
    return (this.left ??= this.#leave(this))
  }
}

/** Shares the partitions of one topic among the members of one group; only partitions that move are taken away. */
export class GroupCoordinator {
  readonly #settled: () => Promise<void>
  #partitions: number
  #members: Member[] = []
  #last: Promise<void> = Promise.resolve()
  #joined = 0
  #generation = 0

  /** `settled` resolves when everything decided so far is durable. */
  constructor(partitions: number, settled: () => Promise<void>) {
    this.#partitions = partitions
    this.#settled = settled
  }

  get members(): readonly GroupMember[] {
    return this.#members
  }

  async join(options: JoinOptions): Promise<GroupMember> {
    const member = new Member(`${options.groupId}-${++this.#joined}`, options, leaving => this.#leave(leaving))
    this.#members.push(member)
    try {
      await this.#rebalance()
    } catch (error) {
      await member.leave()
      throw error
    }
    return member
  }

  /** Shares out partitions that were added to the topic. */
  async grow(partitions: number): Promise<void> {
    this.#partitions = partitions
    await this.#rebalance()
  }

  /** The topic is gone: nobody has a partition of it any more. */
  dissolve(): void {
    this.#partitions = 0
    for (const member of this.#members) member.partitions.clear()
  }

  async #leave(member: Member): Promise<void> {
    this.#members = this.#members.filter(other => other !== member)
    member.partitions.clear()
    const done = this.#rebalance()
    // A member that leaves while it is told its partitions is waited for by the rebalance that tells it.
    if (!member.told) await done
    else done.catch(() => undefined)
  }

  #rebalance(): Promise<void> {
    const run = this.#last.then(() => this.#assign())
    // The next rebalance goes on whatever became of this one; who asked for this one hears of it.
    this.#last = run.catch(() => undefined)
    return run
  }

  async #assign(): Promise<void> {
    const members = this.#members
    if (members.length === 0) return
    const generation = ++this.#generation
    const floor = Math.floor(this.#partitions / members.length)
    let larger = this.#partitions % members.length
    const keep = new Map<Member, Set<number>>()
    const room = new Map<Member, number>()
    for (const member of [...members].sort((a, b) => b.partitions.size - a.partitions.size)) {
      const share = larger > 0 ? floor + 1 : floor
      larger--
      keep.set(member, new Set([...member.partitions].slice(0, share)))
      room.set(member, share - keep.get(member)!.size)
    }
    const kept = new Set([...keep.values()].flatMap(partitions => [...partitions]))
    const free = Array.from({ length: this.#partitions }, (_, partition) => partition).filter(
      partition => !kept.has(partition),
    )
    const failures: unknown[] = []
    for (const member of members) {
      const revoked = [...member.partitions].filter(partition => !keep.get(member)!.has(partition))
      if (revoked.length === 0) continue
      // The member commits what it has done before it loses the right to; it loses it also when that fails.
      await member.tell({ assigned: [], revoked }).catch(error => failures.push(error))
      for (const partition of revoked) member.partitions.delete(partition)
    }
    // A commit of the former member may be decided and not durable yet: the next one must find it.
    if (free.length > 0) await this.#settled()
    for (const member of members) {
      if (member.left !== undefined) continue
      member.generation = generation
      const assigned = free.splice(0, room.get(member)!)
      if (assigned.length === 0) continue
      for (const partition of assigned) member.partitions.add(partition)
      await member.tell({ assigned, revoked: [] }).catch(error => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
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
