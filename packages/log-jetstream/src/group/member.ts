import { randomBytes } from 'node:crypto'
import type { GroupMember, JoinOptions } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Positions } from '../positions.ts'
import type { Topic } from '../topic.ts'
import {
  type GroupRecord,
  isReplaced,
  type MemberEntry,
  released,
  takeable,
  taken,
  withAway,
  withMember,
  withoutMembers,
  withPartitions,
} from './group-record.ts'
import { type GroupStore, groupKeys } from './group-store.ts'

/** What a member needs of the log. */
export interface MemberHost {
  readonly store: GroupStore
  readonly positions: Positions
  left(member: Member): void
}

/**
 * A member of a group whose others may be anywhere. All follow the group's record and do their part of it: give back
 * what another is to have, take what nobody owns any more, and strike out who shows no sign of life.
 */
export class Member implements GroupMember {
  readonly groupId: string
  readonly topic: string
  readonly memberId: string
  readonly partitions = new Set<number>()
  generation = 0
  readonly #host: MemberHost
  readonly #topic: Topic
  readonly #onAssignment: JoinOptions['onAssignment']
  readonly #entry: MemberEntry
  /** When somebody was last heard of, by this process's own clock. */
  readonly #heard = new Map<string, number>()
  #work: Promise<void> = Promise.resolve()
  #queued = false
  #telling = false
  #signing = false
  #timer: NodeJS.Timeout | undefined
  /** When the next of the others is overdue, unless it is heard of. */
  #overdue: NodeJS.Timeout | undefined
  #lastTick = 0
  /** When it has shown itself last; and when it did so and was found among the members afterwards. By this process's clock. */
  #shown = 0
  #confirmed = Number.NEGATIVE_INFINITY
  #confirming: { readonly promise: Promise<void>; resolve(): void } | undefined
  /** Whether it can hear nobody any more: then silence says nothing. */
  #deaf = false
  /** Partitions in which it was refused to commit: they are another's, or to be taken again. */
  readonly #lost = new Set<number>()
  #unwatch: () => void = () => undefined
  #left: Promise<void> | undefined
  /** Whether it has been among the group's members. */
  #entered = false
  #settled: { resolve(): void; reject(error: unknown): void } | undefined

  constructor(host: MemberHost, topic: Topic, options: JoinOptions, sessionTimeout: number) {
    this.#host = host
    this.#topic = topic
    this.groupId = options.groupId
    this.topic = options.topic
    this.memberId = `${options.groupId.replaceAll(/[^A-Za-z0-9_-]/g, '').slice(0, 40)}-${randomBytes(6).toString('hex')}`
    this.#onAssignment = options.onAssignment
    const { instanceId } = options
    this.#entry = { id: this.memberId, sessionTimeout, ...(instanceId !== undefined && { instanceId }) }
  }

  /** Resolves when the member has everything that it is to have. */
  async join(): Promise<void> {
    const { store } = this.#host
    const settled = new Promise<void>((resolve, reject) => {
      this.#settled = { resolve, reject }
    })
    await this.#show()
    this.#lastTick = performance.now()
    this.#timer = setInterval(() => void this.#tick(), Math.max(50, this.#entry.sessionTimeout / 4))
    this.#timer.unref()
    const unchange = this.#topic.onChange(() => this.#soon())
    const { signs } = groupKeys(this.#topic, this.groupId)
    const unwatch = await store.watch(
      this.#topic,
      this.groupId,
      key => {
        if (key.startsWith(`${signs}.`)) this.#heard.set(key.slice(signs.length + 1), performance.now())
        else this.#soon()
      },
      error => {
        this.#deaf = true
        this.#settled?.reject(error)
      },
    )
    this.#unwatch = () => {
      unchange()
      unwatch()
    }
    this.#soon()
    await settled
  }

  leave(): Promise<void> {
    return (this.#left ??= this.#leave())
  }

  async #leave(): Promise<void> {
    this.#stop()
    // A member may leave when it is told of its partitions: then it must not wait for itself.
    if (!this.#telling) await this.#work
    const { store, positions } = this.#host
    for (const partition of this.partitions) positions.giveUp(this.#topic, this.groupId, partition, this.memberId)
    this.partitions.clear()
    this.#host.left(this)
    if (this.#topic.deleted) return
    if (this.#entry.instanceId !== undefined) {
      await store.change(this.#topic, this.groupId, record => withAway(record, this.memberId))
      return
    }
    await store.change(this.#topic, this.groupId, record => withoutMembers(record, new Set([this.memberId])))
    await store.gone(this.#topic, this.groupId, this.memberId)
  }

  #stop(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#overdue)
    this.#unwatch()
    this.#confirming?.resolve()
    this.#settled?.resolve()
    this.#settled = undefined
  }

  /** Another one with its name has its partitions, and its own part in the group is over. */
  async #replaced(): Promise<void> {
    this.#left ??= Promise.resolve()
    this.#host.left(this)
    try {
      await this.#giveBack([...this.partitions])
    } finally {
      this.#stop()
    }
  }

  /** Looks at the group's record once more, after what is being done now. */
  #soon(): void {
    if (this.#queued || this.#left !== undefined) return
    this.#queued = true
    this.#work = this.#work.then(async () => {
      this.#queued = false
      try {
        await this.#reconcile()
      } catch (error) {
        // Out of reach: the next tick tries again. What a user's callback throws, whoever joins hears of.
        this.#settled?.reject(error)
        this.#settled = undefined
      }
    })
  }

  async #tick(): Promise<void> {
    this.#noticeSleep()
    this.#lastTick = performance.now()
    // Out of reach: the others strike this member out, and it finds out when it is back.
    if (this.#signing) return
    this.#signing = true
    await this.#show().catch(() => undefined)
    this.#signing = false
    this.#soon()
  }

  async #show(): Promise<void> {
    const now = performance.now()
    await this.#host.store.alive(this.#topic, this.groupId, this.memberId)
    // The others count from when they heard it: later.
    this.#shown = now
  }

  confirmed(): Promise<void> | undefined {
    if (this.#left !== undefined || performance.now() - this.#confirmed <= this.#entry.sessionTimeout) return undefined
    if (this.#confirming === undefined) {
      let resolve = (): void => undefined
      const promise = new Promise<void>(confirm => {
        resolve = confirm
      })
      this.#confirming = { promise, resolve }
    }
    return this.#confirming.promise
  }

  /** It was a member after it had shown itself at that time. */
  #confirm(shown: number): void {
    this.#confirmed = shown
    if (this.confirmed() !== undefined) return
    this.#confirming?.resolve()
    this.#confirming = undefined
  }

  /** When this process has slept itself, it has not heard what it was sent meanwhile: nobody else is to blame. */
  #noticeSleep(): void {
    const now = performance.now()
    if (now - this.#lastTick <= this.#entry.sessionTimeout / 2) return
    for (const id of this.#heard.keys()) this.#heard.set(id, now)
  }

  async #reconcile(): Promise<void> {
    const { store } = this.#host
    if (this.#left !== undefined || this.#topic.deleted) return
    const { groupId, memberId } = this
    const shown = this.#shown
    let record = (await store.record(this.#topic, groupId)) ?? (await this.#enter())
    if (!record.members.some(({ id }) => id === memberId)) {
      if (this.#entered && isReplaced(record, this.#entry)) return this.#replaced()
      // The others have taken this member for dead. What it had is theirs; it begins anew.
      await this.#giveBack([...this.partitions])
      record = await this.#enter()
    }
    const silent = this.#silent(record)
    if (silent.size > 0 || record.partitions < this.#topic.config.partitions) {
      record = await store.change(this.#topic, groupId, current =>
        withPartitions(withoutMembers(current, silent), this.#topic.config.partitions),
      )
      for (const id of silent) await store.gone(this.#topic, groupId, id)
    }
    const lost = [...this.partitions].filter(
      partition =>
        record.targets[partition] !== memberId || record.owners[partition] !== memberId || this.#lost.has(partition),
    )
    if (lost.length > 0) {
      await this.#giveBack(lost)
      if (this.#left !== undefined) return
      record = await store.change(this.#topic, groupId, current => released(current, memberId, lost))
    }
    this.generation = record.generation
    this.#confirm(shown)
    const wanted = takeable(record, memberId).filter(partition => !this.partitions.has(partition))
    if (wanted.length > 0) await this.#take(wanted)
    const settled = Object.entries(record.targets).every(
      ([partition, id]) => id !== memberId || this.partitions.has(Number(partition)),
    )
    if (!settled) return
    this.#settled?.resolve()
    this.#settled = undefined
  }

  async #enter(): Promise<GroupRecord> {
    const record = await this.#host.store.change(this.#topic, this.groupId, current =>
      // Whoever has taken its place keeps it.
      this.#entered && isReplaced(current, this.#entry) ? current : withMember(current, this.#entry),
    )
    this.#entered = true
    return record
  }

  async #take(wanted: readonly number[]): Promise<void> {
    const { store, positions } = this.#host
    const { groupId, memberId } = this
    let mine: number[] = []
    const record = await store.change(this.#topic, groupId, current => {
      mine = takeable(current, memberId).filter(partition => wanted.includes(partition))
      return mine.length === 0 ? current : taken(current, memberId, mine)
    })
    this.generation = record.generation
    // From here on what the owner before still tries to commit is refused.
    for (const partition of mine) {
      await positions.take(this.#topic, groupId, partition, memberId, () => {
        this.#lost.add(partition)
        this.#soon()
      })
    }
    for (const partition of mine) this.partitions.add(partition)
    if (mine.length > 0) await this.#tell({ assigned: mine, revoked: [] })
  }

  async #giveBack(revoked: readonly number[]): Promise<void> {
    if (revoked.length === 0) return
    try {
      // The member commits what it has done before it loses the right to; it loses it also when that fails.
      await this.#tell({ assigned: [], revoked })
    } catch (error) {
      if (!AegisError.is(error, 'GENERATION_FENCED')) throw error
    } finally {
      for (const partition of revoked) {
        this.partitions.delete(partition)
        this.#lost.delete(partition)
        this.#host.positions.giveUp(this.#topic, this.groupId, partition, this.memberId)
      }
    }
  }

  async #tell(change: Parameters<JoinOptions['onAssignment']>[0]): Promise<void> {
    this.#telling = true
    try {
      await this.#onAssignment(change)
    } finally {
      this.#telling = false
    }
  }

  /** Those of whom nothing was heard for longer than they said; for the others it is looked again when the first is overdue. */
  #silent(record: GroupRecord): Set<string> {
    this.#noticeSleep()
    const now = performance.now()
    const silent = new Set<string>()
    if (this.#deaf) return silent
    let next = Number.POSITIVE_INFINITY
    for (const { id, sessionTimeout } of record.members) {
      if (id === this.memberId) continue
      const heard = this.#heard.get(id) ?? now
      this.#heard.set(id, heard)
      const left = heard + sessionTimeout - now
      if (left < 0) silent.add(id)
      else next = Math.min(next, left)
    }
    clearTimeout(this.#overdue)
    if (Number.isFinite(next)) this.#overdue = setTimeout(() => this.#soon(), next + 1).unref()
    return silent
  }
}
