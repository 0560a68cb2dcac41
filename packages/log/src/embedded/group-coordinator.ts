import { AegisError } from '@aegis/storage'
import type { GroupMember, JoinOptions } from '../log.ts'

interface Member {
  readonly id: string
  readonly options: JoinOptions
  readonly partitions: Set<number>
  left: boolean
}

/** Shares the partitions of one topic among the members of one group; only partitions that move are taken away. */
export class GroupCoordinator {
  readonly #partitions: number
  readonly #settled: () => Promise<void>
  #members: Member[] = []
  #last: Promise<void> = Promise.resolve()
  #joined = 0

  /** `settled` resolves when everything decided so far is durable. */
  constructor(partitions: number, settled: () => Promise<void>) {
    this.#partitions = partitions
    this.#settled = settled
  }

  async join(options: JoinOptions): Promise<GroupMember> {
    const member: Member = { id: `${options.groupId}-${++this.#joined}`, options, partitions: new Set(), left: false }
    this.#members.push(member)
    const leave = async (): Promise<void> => {
      if (member.left) return
      member.left = true
      this.#members = this.#members.filter(other => other !== member)
      member.partitions.clear()
      await this.#rebalance()
    }
    try {
      await this.#rebalance()
    } catch (error) {
      await leave()
      throw error
    }
    return { groupId: options.groupId, topic: options.topic, memberId: member.id, partitions: member.partitions, leave }
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
    for (const member of members) {
      const revoked = [...member.partitions].filter(partition => !keep.get(member)!.has(partition))
      if (revoked.length === 0) continue
      // The member commits what it has done before it loses the right to.
      await member.options.onAssignment({ assigned: [], revoked })
      for (const partition of revoked) member.partitions.delete(partition)
    }
    // A commit of the former member may be decided and not durable yet: the next one must find it.
    if (free.length > 0) await this.#settled()
    for (const member of members) {
      const assigned = free.splice(0, room.get(member)!)
      if (assigned.length === 0 || member.left) continue
      for (const partition of assigned) member.partitions.add(partition)
      await member.options.onAssignment({ assigned, revoked: [] })
    }
  }
}

/** @throws AegisError `GENERATION_FENCED` when the partition is no longer the member's */
export function checkMember(member: GroupMember, partition: number): void {
  if (member.partitions.has(partition)) return
  throw new AegisError(
    'GENERATION_FENCED',
    `partition ${partition} of ${member.topic} is no longer of member ${member.memberId}: another has it now`,
  )
}
