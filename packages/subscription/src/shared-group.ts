import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { AssignedPartition } from './assigned-partition.ts'
import { Delivery } from './delivery.ts'
import type { Feed, Taker } from './feed.ts'
import { Intake } from './intake.ts'
import { Lease, type Lessor, lapsedError } from './lease.ts'
import { PriorityPool } from './priority-pool.ts'
import type { Settings } from './settings.ts'
import { SharedMember } from './shared-member.ts'
import type { SubscriptionStatus } from './status.ts'

// One for each log, topic and group: its members in this process share what it fetches.
const groups = new WeakMap<Log, Map<string, SharedGroup>>()
const leastLeased = 16

/**
 * Gives the messages of a topic to the members of a group one by one, whoever asks: a queue over the log.
 *
 * The group has the partitions as any member of a group has; so with several processes each has some of them, and the
 * members of a process share what its partitions have. A message is leased in a commit before it is handed over: the
 * position's metadata has the deliveries so far and until when it is nobody else's, so a process that dies, or loses its
 * partitions, leaves behind that nobody may have it before, and how often it was tried.
 */
export class SharedGroup implements Taker, Lessor {
  readonly #log: Log
  readonly #settings: Settings
  readonly #members = new Set<SharedMember>()
  /** Fetched and not leased. */
  readonly #pool = new PriorityPool()
  /** Leased and not handed over. */
  #leased: Delivery[] = []
  readonly #leases = new Set<Lease>()
  /** How many are leased in one commit: as many as are taken in a small part of the lease. */
  #size = leastLeased
  #leasedAt = 0
  #leasing: Promise<void> | undefined
  /** Something has come while they were being leased. */
  #demanded = false
  #opening: Promise<Intake> | undefined
  #intake: Intake | undefined
  #failure: { readonly error: unknown } | undefined
  readonly #forget: () => void
  readonly keepsOrder = false

  private constructor(log: Log, settings: Settings, forget: () => void) {
    this.#log = log
    this.#settings = settings
    this.#forget = forget
  }

  /** Another member. The first one's options hold for what the members share: where to start, how much is fetched, lease and priority. */
  static async join(log: Log, topic: string, settings: Settings, taker: Taker): Promise<SharedMember> {
    let known = groups.get(log)
    if (known === undefined) groups.set(log, (known = new Map()))
    const id = JSON.stringify([topic, settings.groupId])
    let group = known.get(id)
    if (group === undefined) {
      const created = new SharedGroup(log, settings, () => {
        if (known.get(id) === created) known.delete(id)
      })
      known.set(id, created)
      group = created
    }
    return group.#join(topic, taker)
  }

  async #join(topic: string, taker: Taker): Promise<SharedMember> {
    const member = new SharedMember(topic, this, taker)
    this.#members.add(member)
    try {
      this.#opening ??= Intake.open(this.#log, topic, this.#settings, this)
      this.#intake = await this.#opening
      this.#intake.lost.begin(member)
    } catch (error) {
      this.#members.delete(member)
      this.#forget()
      throw error
    }
    return member
  }

  get intake(): Intake {
    return this.#intake!
  }

  now(): number {
    return this.#log.now()
  }

  /** The next delivery that is leased, if there is one. */
  take(only?: AssignedPartition): Delivery | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    while (this.#leased.length > 0) {
      const delivery = this.#leased[0]!
      if (delivery.open && only !== undefined && delivery.partition !== only) return undefined
      this.#leased.shift()
      if (!delivery.open || delivery.partition.leaving || delivery.lease === undefined) continue
      if (delivery.lease.until - this.now() >= this.#settings.lease / 2) {
        if (this.#leased.length < this.#size / 2) this.demand()
        return delivery
      }
      // It has waited too long: whoever gets it is to have time for it.
      this.#putBack(delivery)
    }
    return undefined
  }

  /** Somebody waits, or there is something to lease. */
  demand(): void {
    if (this.#members.size === 0) return
    if (this.#leasing !== undefined) {
      this.#demanded = true
      return
    }
    this.#demanded = false
    this.#leasing = this.#leaseSome()
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.#leasing = undefined
        if (this.#leased.length > 0) this.#wakeMembers()
        if (this.#demanded && this.#leased.length < this.#size / 2) this.demand()
      })
  }

  /** It leaves, and what it has is for the others, at once. */
  async leave(member: SharedMember): Promise<void> {
    this.#members.delete(member)
    for (const lease of [...this.#leases]) {
      for (const delivery of [...lease.deliveries]) {
        if (delivery.holder !== member) continue
        // What has waited for its rate has not been an attempt.
        if (delivery.settling === undefined) this.postpone(delivery, 0)
        else this.giveBack(delivery, 0)
      }
    }
    if (this.#members.size > 0) return
    this.#forget()
    this.intake.stop()
    await this.#leasing
    // What is leased and was not handed over has not been an attempt.
    for (const delivery of this.#leased) if (delivery.open && delivery.lease !== undefined) this.#putBack(delivery)
    this.#leased = []
    await this.intake.leave()
  }

  wake(): void {
    if (this.#leased.length < this.#size / 2) this.demand()
    if (this.#leased.length > 0) this.#wakeMembers()
  }

  fail(error: unknown): void {
    this.#failure ??= { error }
    for (const member of this.#members) member.taker.fail(error)
  }

  ended(_feed: Feed): void {
    this.#forget()
    for (const member of this.#members) member.taker.ended(member)
  }

  report(status: SubscriptionStatus): void {
    for (const member of this.#members) member.taker.report(status)
  }

  lapsed(delivery: Delivery): void {
    if (!delivery.open) return
    const { settling } = delivery
    if (settling === undefined) {
      this.#putBack(delivery)
      return
    }
    const again = this.#again(delivery, delivery.attempts)
    if (!settling.lapsed(again)) this.#redeliver(again, 0)
  }

  giveBack(delivery: Delivery, wait: number): void {
    if (delivery.open) this.#redeliver(this.#again(delivery, delivery.attempts), wait)
  }

  postpone(delivery: Delivery, wait: number): void {
    if (delivery.open) this.#redeliver(this.#unleased(delivery), wait)
  }

  async extend(delivery: Delivery, duration: number): Promise<void> {
    const { partition, slot, retry, lease } = delivery
    if (lease === undefined || delivery.lapsed) throw lapsedError(delivery)
    const until = Math.max(lease.until, this.now() + duration)
    await this.#log.transaction(tx => {
      if (retry === undefined) partition.window.postpone(slot, until)
      else partition.retries?.lease(tx, delivery, until)
      partition.source.stage(tx, partition, [])
    })
    if (delivery.lease !== lease || delivery.lapsed) throw lapsedError(delivery)
    lease.end(delivery)
    this.#newLease(until).add(delivery)
  }

  /**
   * Its lease is over: whatever its holder says of it comes too late, and nobody finds it among what is leased. What it was
   * goes on as another delivery.
   */
  #again(delivery: Delivery, attempts: number): Delivery {
    const { record, partition, slot, bytes, retry } = delivery
    delivery.lease?.end(delivery)
    delivery.lapsed = true
    delivery.tell('its lease has lapsed')
    const again = new Delivery(record, partition, slot, bytes, retry && { key: retry.key, attempts: attempts + 1 })
    again.attempts = attempts
    again.postponed = delivery.postponed
    return again
  }

  #redeliver(delivery: Delivery, wait: number): void {
    const { partition, slot } = delivery
    partition.window.postpone(slot, wait > 0 ? this.now() + wait : 0)
    partition.source.touched(partition)
    partition.source.redeliver(delivery, wait)
  }

  #newLease(until: number): Lease {
    for (const lease of this.#leases) if (lease.deliveries.size === 0) this.#leases.delete(lease)
    const lease = new Lease(this, until)
    this.#leases.add(lease)
    return lease
  }

  /** It was leased and not handed over: that is no attempt. */
  #putBack(delivery: Delivery): void {
    this.#pool.push(this.#unleased(delivery), this.#settings.priority(delivery.record))
  }

  #unleased(delivery: Delivery): Delivery {
    const { partition, slot, retry } = delivery
    if (retry === undefined) partition.window.undeliver(slot)
    const again = this.#again(delivery, delivery.attempts - 1)
    again.suspect = delivery.suspect
    return again
  }

  async #leaseSome(): Promise<void> {
    this.#fetch()
    if (this.#pool.size === 0 || this.#failure !== undefined) return
    this.#adaptSize()
    const until = this.now() + this.#settings.lease
    const chosen = new Map<AssignedPartition, Delivery[]>()
    const order: Delivery[] = []
    while (order.length < this.#size) {
      // What may have ended a process is leased alone: what was leased with it would count as tried each time.
      if (order[0]?.suspect === true || (order.length > 0 && this.#pool.first?.suspect === true)) break
      const delivery = this.#pool.shift()
      if (delivery === undefined) break
      if (!delivery.open) continue
      order.push(delivery)
      const some = chosen.get(delivery.partition)
      if (some === undefined) chosen.set(delivery.partition, [delivery])
      else some.push(delivery)
    }
    const committed = await Promise.all(
      [...chosen].map(async ([partition, deliveries]) => {
        return (await this.#commitLease(partition, deliveries, until)) ? deliveries : []
      }),
    )
    const stored = new Set(committed.flat())
    const lease = this.#newLease(until)
    for (const delivery of order) {
      if (!delivery.open || !stored.has(delivery)) continue
      lease.add(delivery)
      this.#leased.push(delivery)
    }
    this.#fetch()
  }

  /** Whether they are leased: `false` when the partition is another's. */
  async #commitLease(partition: AssignedPartition, deliveries: readonly Delivery[], until: number): Promise<boolean> {
    for (const delivery of deliveries) {
      delivery.attempts = delivery.retry?.attempts ?? partition.window.deliver(delivery.slot, until)
    }
    try {
      await this.#log.transaction(tx => {
        for (const delivery of deliveries)
          if (delivery.retry !== undefined) partition.retries?.lease(tx, delivery, until)
        partition.source.stage(tx, partition, [])
      })
      return true
    } catch (error) {
      // Another process has the partition now, whether we have been told or not: it hands them over.
      if (!AegisError.is(error, 'GENERATION_FENCED')) throw error
      return false
    }
  }

  /** Takes what is fetched, as much as is fetched at once. */
  #fetch(): void {
    const { maxPollRecords, maxPollBytes, priority } = this.#settings
    while (this.#pool.size < maxPollRecords && this.#pool.bytes < maxPollBytes) {
      const delivery = this.intake.take()
      if (delivery === undefined) {
        this.intake.demand()
        return
      }
      this.#pool.push(delivery, priority(delivery.record))
    }
  }

  #adaptSize(): void {
    const took = this.now() - this.#leasedAt
    this.#leasedAt = this.now()
    const { lease, maxPollRecords } = this.#settings
    if (took < lease / 20) this.#size = Math.min(maxPollRecords, this.#size * 2)
    else if (took > lease / 10) this.#size = Math.max(leastLeased, this.#size >> 1)
  }

  #wakeMembers(): void {
    for (const member of this.#members) member.taker.wake()
  }
}
