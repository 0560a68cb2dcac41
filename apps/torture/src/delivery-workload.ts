import { setTimeout as pause } from 'node:timers/promises'
import type { LogRecord } from '@aegis/log'
import { type Delivered, Subscription, type SubscriptionOptions } from '@aegis/subscription'
import type { Settled } from './history.ts'
import type { Host, Step } from './keyed-workload.ts'
import type { Random } from './random.ts'
import { bytes, type Group, keys, lease, outputOf, text, topics } from './topics.ts'

interface Job extends Pick<Delivered, 'ack' | 'nack' | 'attempts'> {
  readonly value: string
  readonly begun: number
}

const job = ({ value }: LogRecord, { ack, nack, attempts }: Delivered): Job => ({
  value: text(value),
  attempts,
  ack,
  nack,
  begun: Date.now(),
})

/** Every delivery of these is counted before it happens, and none is to be the last. */
const counted = { maxAttempts: 1_000 } as const
const optionsOf: Record<Group, SubscriptionOptions> = {
  shared: { mode: 'shared', lease, ...counted },
  'at-least-once': counted,
  'at-most-once': { delivery: 'at-most-once' },
  'exactly-once': { delivery: 'exactly-once' },
}

export const subscribeTo = (
  { log, signal }: Host,
  group: Group,
  options: SubscriptionOptions = {},
): Promise<Subscription<Job>> =>
  Subscription.open(log, topics.jobs, job, {
    groupId: group,
    from: 'earliest',
    backoff: 10,
    sessionTimeout: 2_000,
    signal,
    ...optionsOf[group],
    ...options,
  })

/** Sends a few jobs now and then: as many as can be worked on. */
export const sendJobs =
  ({ log, report, signal }: Host): Step =>
  async (process, random) => {
    const sent = Array.from({ length: 1 + random.below(4) }, () => ({
      topic: topics.jobs,
      value: report.value(process),
    }))
    await report.operation(process, { sent }, async () => {
      const records = sent.map(({ value }) => ({ key: random.of(keys), value: bytes(value) }))
      const { positions } = await log.append(topics.jobs, records)
      return {
        sent: sent.map((record, at) => ({
          ...record,
          partition: positions[at]!.partition,
          offset: positions[at]!.offset,
        })),
      }
    })
    await pause(10, undefined, { signal }).catch(() => undefined)
  }

/** A member that takes jobs for a while and settles them in any order, some of them never, and then leaves the group. */
export const takeJobs =
  (host: Host, group: Group): Step =>
  async (process, random) => {
    const subscription = await subscribeTo(host, group, { maxPollRecords: 1 + random.below(30) })
    if (host.signal.aborted) return
    const member = new Member(host, group, process, subscription)
    let left = 5 + random.below(60)
    // Leaving the loop closes the subscription.
    for await (const job of subscription) {
      await member.take(job)
      if (group !== 'at-most-once') await settleSome(member, random)
      if (--left > 0) continue
      host.report.began(process, { left: [group] })
      break
    }
  }

async function settleSome(member: Member, random: Random): Promise<void> {
  const chance = random.below(10)
  if (member.held.length > 8 || chance < 6) await member.acknowledge(random.below(member.held.length))
  else if (chance === 6) await member.refuse(random.below(member.held.length), random.below(50))
  if (random.below(12) === 0) await member.commit()
}

interface Held {
  readonly job: Job
  /** How often partitions had been taken away from the member by then. */
  readonly revocations: number
}

/** Who has been handed jobs. */
export class Member {
  readonly #host: Host
  readonly #group: Group
  readonly #process: string
  readonly #subscription: Subscription<Job>
  /** Acknowledged since the last commit. */
  #uncommitted: Held[] = []
  #revocations = 0
  readonly held: Held[] = []

  constructor(host: Host, group: Group, process: string, subscription: Subscription<Job>) {
    this.#host = host
    this.#group = group
    this.#process = process
    this.#subscription = subscription
    void this.#watch()
  }

  async take(job: Job): Promise<void> {
    const { value, attempts, begun } = job
    const handed = [{ group: this.#group, value, attempts, begun, seen: Date.now() }]
    this.held.push({ job, revocations: this.#revocations })
    await this.#host.report.operation(this.#process, { handed }, async () => ({}))
  }

  async acknowledge(at: number): Promise<void> {
    const [held] = this.held.splice(at, 1)
    if (held === undefined) return
    const acknowledged = [this.#settled(held)]
    // Later than this its lease may have lapsed, and it is another's.
    const sure = this.#group !== 'shared' || Date.now() < held.job.begun + lease / 2
    await this.#host.report.operation(this.#process, { acknowledged }, async () => {
      held.job.ack()
      return {}
    })
    if (sure) this.#uncommitted.push(held)
  }

  async refuse(at: number, delay: number): Promise<void> {
    const [held] = this.held.splice(at, 1)
    if (held === undefined) return
    await this.#host.report.operation(this.#process, { refused: [this.#settled(held)] }, async () => {
      held.job.nack({ delay, reason: 'by chance' })
      return {}
    })
  }

  /** Makes durable what was acknowledged, but for what may have been another's by then. */
  async commit(): Promise<void> {
    const committing = this.#uncommitted
    this.#uncommitted = []
    await this.#host.report.operation(this.#process, {}, async () => {
      await this.#subscription.commit()
      const still = committing.filter(({ revocations }) => revocations === this.#revocations)
      return { committedAcknowledgements: still.map(held => this.#settled(held)) }
    })
  }

  #settled({ job: { value } }: Held): Settled {
    return { group: this.#group, value }
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#subscription.status()) if (type === 'revoked') this.#revocations++
  }
}

/** A member whose handler writes something for each job, in the transaction of its acknowledgement; sometimes it throws. */
export const workOnce =
  (host: Host): Step =>
  async (process, random) => {
    const group = 'exactly-once'
    const subscription = await subscribeTo(host, group, { maxPollRecords: 1 + random.below(30) })
    if (host.signal.aborted) return
    let left = 5 + random.below(60)
    await subscription.run(
      ({ value, attempts, begun }, tx) => {
        if (random.below(30) === 0) throw new Error('by chance')
        const sent = [{ topic: topics.outputs, value: outputOf(value) }]
        const handed = [{ group, value, attempts, begun, seen: Date.now() }]
        host.report.began(process, { sent, handed })
        tx.append(topics.outputs, { value: bytes(outputOf(value)) })
        if (--left === 0) void subscription.close().catch(() => undefined)
      },
      { concurrency: 1 + random.below(3) },
    )
  }
