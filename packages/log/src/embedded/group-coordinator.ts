import { AegisError } from '@aegis/storage'
import type { GroupMember, JoinOptions } from '../log.ts'
import { Member } from './member.ts'

/** Shares the partitions of one topic among the members of one group; only partitions that move are taken away. */
export class GroupCoordinator {
  readonly #settled: () => Promise<void>
  #partitions: number
  #members: Member[] = []
  #last: Promise<void> = Promise.resolve()
  #joined = 0
  readonly #timers = new Map<Member, NodeJS.Timeout>()
  #generation = 0

  /** `settled` resolves when everything decided so far is durable. */
  constructor(partitions: number, settled: () => Promise<void>) {
    this.#partitions = partitions
    this.#settled = settled
  }

  get members(): readonly GroupMember[] {
    return this.#members.filter(({ standsIn }) => !standsIn)
  }

  /** @throws AegisError `LOG_INVALID` for an instance id that is none */
  async join(options: JoinOptions): Promise<GroupMember> {
    const { groupId, instanceId } = options
    if (instanceId !== undefined && (typeof instanceId !== 'string' || !/^.{1,200}$/su.test(instanceId))) {
      throw new AegisError('LOG_INVALID', `instanceId is ${JSON.stringify(instanceId)}: give 1 to 200 characters`)
    }
    const member = new Member(`${groupId}-${++this.#joined}`, options, leaving => this.#leave(leaving))
    if (instanceId === undefined) this.#members.push(member)
    try {
      if (instanceId === undefined) await this.#rebalance()
      else await this.#serially(() => this.#admit(member))
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
    this.stop()
  }

  /** Places are kept for nobody any more. */
  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  /** An instance that was here takes its place again, from whoever has it: nobody else notices. */
  async #admit(member: Member): Promise<void> {
    const before = this.#members.find(({ instanceId }) => instanceId === member.instanceId)
    if (before === undefined) {
      this.#members = [...this.#members, member]
      await this.#assign()
      return
    }
    clearTimeout(this.#timers.get(before))
    this.#timers.delete(before)
    const partitions = [...before.partitions]
    before.partitions.clear()
    before.left ??= Promise.resolve()
    this.#members = this.#members.map(other => (other === before ? member : other))
    // It can commit nothing any more, so what it says to that is not heard either.
    if (!before.standsIn) await before.tell({ assigned: [], revoked: partitions }).catch(() => undefined)
    await this.#settled()
    member.generation = ++this.#generation
    for (const partition of partitions) member.partitions.add(partition)
    await member.tell({ assigned: partitions, revoked: [] })
  }

  /** Keeps the place of an instance that has left until it comes back, or its session timeout is over. */
  async #keepPlace(member: Member, held: readonly number[]): Promise<void> {
    if (!this.#members.includes(member)) return
    const { groupId, topic, instanceId, sessionTimeout } = member
    const options = { groupId, topic, sessionTimeout, onAssignment: async () => undefined }
    const named = instanceId === undefined ? options : { ...options, instanceId }
    const standIn = new Member(member.memberId, named, leaving => this.#leave(leaving), { standsIn: true })
    this.#members = this.#members.map(other => (other === member ? standIn : other))
    const taken = new Set(this.#members.flatMap(({ partitions }) => [...partitions]))
    for (const partition of held) if (!taken.has(partition)) standIn.partitions.add(partition)
    const timer = setTimeout(() => void standIn.leave().catch(() => undefined), sessionTimeout)
    timer.unref()
    this.#timers.set(standIn, timer)
    await this.#assign()
  }

  async #leave(member: Member): Promise<void> {
    const held = [...member.partitions]
    member.partitions.clear()
    const keeps = member.instanceId !== undefined && !member.standsIn
    if (!keeps) this.#members = this.#members.filter(other => other !== member)
    this.#timers.delete(member)
    const done = keeps ? this.#serially(() => this.#keepPlace(member, held)) : this.#rebalance()
    // A member that leaves while it is told its partitions is waited for by the rebalance that tells it.
    if (!member.told) await done
    else done.catch(() => undefined)
  }

  #rebalance(): Promise<void> {
    return this.#serially(() => this.#assign())
  }

  #serially(work: () => Promise<void>): Promise<void> {
    const run = this.#last.then(work)
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
