import { setTimeout as pause } from 'node:timers/promises'
import type { DecidedPosition, ExpectedVersion, PositionCommit, ProducerBatch, RecordPosition } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { type AppendPlan, type Change, isTruncation, type Place, planAppend } from './append-plan.ts'
import type { Domain } from './domain.ts'
import { findHead, type Head, meets, readHead, versionConflict } from './heads.ts'
import { inParallel } from './in-parallel.ts'
import { subjectsOf } from './keyed-writer.ts'
import { tooLarge } from './own-writes.ts'
import type { Positions } from './positions.ts'
import { ProducerAppends } from './producer-appends.ts'
import { largestBatch, type OutgoingMessage, type Publisher, SequenceConflict } from './publisher.ts'
import { conflict, type ReadSet } from './read-set.ts'
import { encodeEntry } from './state.ts'
import type { Topic } from './topic.ts'

/** What one call changes of a topic: it appends, or truncates. */
export interface Append {
  readonly topic: Topic
  readonly changes: readonly Change[]
  readonly expected: ExpectedVersion
  readonly producer?: ProducerBatch
  readonly receipt: { positions?: readonly RecordPosition[] }
}

/** What a transaction is to store, and what it rests on. */
export interface TransactionWrites {
  readonly began: number
  readonly reads: ReadSet
  readonly appends: readonly Append[]
  /** By subject. */
  readonly state: ReadonlyMap<string, { readonly key: Uint8Array; readonly value: Uint8Array | undefined }>
  readonly positions: readonly { readonly topic: Topic; readonly position: PositionCommit | DecidedPosition }[]
}

interface CommitHost {
  readonly domain: Domain
  readonly publisher: Publisher
  readonly positions: Positions
}

/** Sends a transaction as one batch; again, when somebody was faster on something that it had not read. */
export class OptimisticCommit {
  readonly #host: CommitHost
  readonly #writes: TransactionWrites

  constructor(host: CommitHost, writes: TransactionWrites) {
    this.#host = host
    this.#writes = writes
  }

  /** Until it is stored, or refused for good. */
  async run(): Promise<void> {
    const deadline = performance.now() + this.#host.domain.patience.milliseconds
    for (let wait = 1; ; wait = Math.min(2 * wait, 100)) {
      if (await this.#tryCommit()) return
      // Somebody was faster on a key that the transaction has not read: it goes on top of what they wrote.
      if (performance.now() > deadline) throw conflict()
      await pause(Math.random() * wait)
    }
  }

  async #tryCommit(): Promise<boolean> {
    const { domain, publisher, positions } = this.#host
    await inParallel(this.#writes.positions, ({ topic, position: { groupId, partition } }) =>
      positions.checkIncarnation(topic, groupId, partition),
    )
    const producers = await ProducerAppends.decide(domain, this.#writes.appends)
    const plans = await this.#plans(producers)
    const decided: DecidedPosition[] = []
    const refused = (): void => {
      for (const position of decided) position.refused?.()
    }
    let batch: Batch
    try {
      batch = this.#batch(plans, producers, decided)
    } catch (error) {
      refused()
      throw error
    }
    let first: number
    try {
      const { messages } = batch
      if (messages.length >= largestBatch) throw tooLarge(`${messages.length} messages, of at most ${largestBatch - 1}`)
      if (messages.length > 1) first = await publisher.publishAll(messages)
      else first = messages[0] === undefined ? 0 : await publisher.publish(messages[0])
    } catch (error) {
      refused()
      for (const { subject } of batch.messages) domain.recent.forget(subject)
      if (!(error instanceof SequenceConflict)) throw error
      if (!(await this.#writes.reads.hold())) throw conflict()
      for (const { topic, position } of this.#writes.positions) await positions.checkHeld(topic, position)
      return false
    }
    for (const { plan, appends, at } of batch.plans) {
      const sequences = plan.messages.map((_, index) => first + at + index)
      const all = plan.positions(sequences)
      let next = 0
      for (const { receipt, changes } of appends) {
        const length = recordsIn(changes)
        receipt.positions = all.slice(next, next + length)
        next += length
      }
    }
    for (const append of this.#writes.appends) {
      const there = producers.repeat(append)
      if (there !== undefined) append.receipt.positions = there
    }
    for (const [subject, at] of batch.positions) positions.wrote(subject, first + at)
    for (const [at, { subject, data }] of batch.messages.entries()) {
      if (batch.readable.has(subject)) domain.recent.wrote(subject, first + at, data)
    }
    return true
  }

  /** One plan for each topic, of all its appends. */
  async #plans(producers: ProducerAppends): Promise<TopicPlan[]> {
    const { domain } = this.#host
    const topics = new Map<Topic, Append[]>()
    for (const append of this.#writes.appends) {
      if (producers.repeat(append) !== undefined) continue
      const known = topics.get(append.topic)
      if (known === undefined) topics.set(append.topic, [append])
      else known.push(append)
    }
    const plans: TopicPlan[] = []
    for (const [topic, appends] of topics) {
      const { name, keyed } = topic.config
      if (topic.deleted) throw new AegisError('TOPIC_UNKNOWN', `topic ${name} was deleted`)
      const heads = keyed === 'none' ? new Map<string, Head>() : await this.#headsFor(topic, appends)
      plans.push({
        plan: planAppend(
          domain,
          topic,
          appends.flatMap(({ changes }) => changes),
          heads,
        ),
        appends,
      })
    }
    return plans
  }

  async #headsFor(topic: Topic, appends: readonly Append[]): Promise<Map<string, Head>> {
    const { domain } = this.#host
    const { reads } = this.#writes
    /** By subject, with what the first append of the key expects. */
    const keys = new Map<string, { readonly key: Uint8Array; readonly expected: ExpectedVersion }>()
    const wanted = new Set<string>()
    for (const { changes, expected } of appends) {
      for (const [subject, key] of subjectsOf(domain, topic, changes)) {
        if (!keys.has(subject)) keys.set(subject, { key, expected })
        // What takes nothing away is written nowhere, and so not checked by the stream.
        if (changes.some(isTruncation)) domain.recent.forget(subject)
        const matters = topic.config.keyed === 'history' || reads.sequenceOf(subject) !== undefined
        if (matters || expected !== 'any') wanted.add(subject)
      }
    }
    const found = new Map(
      await inParallel(wanted, async subject => {
        const { expected } = keys.get(subject)!
        const read = reads.sequenceOf(subject)
        let head = await findHead(domain, topic, subject)
        // What was read must still be so; and what is in memory may be old: only the leader's word is reported.
        if (!meets(expected, head) || (read !== undefined && head.sequence !== read)) {
          head = await readHead(domain, topic, subject)
        }
        if (read !== undefined && head.sequence !== read) throw conflict()
        return [subject, head] as const
      }),
    )
    // Each append expects what those before it have made of its key.
    const now = new Map(found)
    for (const { changes, expected } of appends) {
      const [subject] = changes.length > 0 ? subjectsOf(domain, topic, changes).keys() : []
      const head = subject === undefined ? undefined : now.get(subject)
      if (subject !== undefined && head !== undefined && !meets(expected, head)) {
        throw versionConflict(topic, keys.get(subject)!.key, expected, head)
      }
      for (const change of changes) {
        const written = domain.subjects.key(topic.config.incarnation, change.partition, change.key!)
        const before = now.get(written)
        if (before !== undefined) now.set(written, headAfter(topic, before, change))
      }
    }
    return found
  }

  #batch(plans: readonly TopicPlan[], producers: ProducerAppends, decided: DecidedPosition[]): Batch {
    const { domain, positions } = this.#host
    const writes: OutgoingMessage[] = []
    const readable = new Set([...this.#writes.state.keys(), ...producers.subjects])
    const placedPlans: Batch['plans'][number][] = []
    for (const { plan, appends } of plans) {
      placedPlans.push({ plan, appends, at: writes.length })
      writes.push(...plan.messages)
      if (appends[0]?.topic.config.keyed !== 'none') for (const { subject } of plan.messages) readable.add(subject)
    }
    writes.push(...producers.messages(writes.length, append => placesOf(append, placedPlans)))
    for (const [subject, { key, value }] of this.#writes.state) {
      const expected = this.#writes.reads.sequenceOf(subject)
      const data = encodeEntry(key, value)
      if (data.length > domain.maxPayload)
        throw tooLarge(`a value of ${data.length} bytes, of at most ${domain.maxPayload}`)
      writes.push(expected === undefined ? { subject, data } : { subject, data, expected })
    }
    const written = new Map<string, number>()
    for (const { topic, position } of this.#writes.positions) {
      if ('decide' in position) decided.push(position)
      const message = positions.message(topic, position)
      const before = written.get(message.subject)
      written.set(message.subject, writes.length)
      // A second position of the same partition goes on top of the first.
      writes.push(before === undefined ? message : { subject: message.subject, data: message.data })
    }
    const checkedThere = new Set(writes.filter(({ expected }) => expected !== undefined).map(({ subject }) => subject))
    const checks = this.#writes.reads.checks(at => domain.subjects.check(`${this.#writes.began}-${at}`), checkedThere)
    // Checked first: what the transaction writes itself would be found otherwise.
    const shift = checks.length
    return {
      messages: [...checks, ...writes],
      plans: placedPlans.map(({ plan, appends, at }) => ({ plan, appends, at: at + shift })),
      positions: new Map([...written].map(([subject, at]) => [subject, at + shift])),
      readable,
    }
  }
}

/** The offset of what is not committed yet is not known: -1. */
function headAfter({ config }: Topic, head: Head, change: Change): Head {
  if (isTruncation(change)) return head
  if (config.keyed === 'history') return { ...head, version: head.version + 1, exists: true }
  return { ...head, version: -1, exists: change.value !== null }
}

const recordsIn = (changes: readonly Change[]): number => changes.filter(change => !isTruncation(change)).length

/** Where the records of an append will be, their messages counted in the batch. */
function placesOf(append: Append, plans: Batch['plans']): Place[] {
  const { plan, appends, at } = plans.find(({ appends }) => appends.includes(append))!
  const before = appends.slice(0, appends.indexOf(append)).flatMap(({ changes }) => changes)
  const first = recordsIn(before)
  const places = plan.places.slice(first, first + recordsIn(append.changes))
  return places.map(place => ({ ...place, message: at + place.message }))
}

interface TopicPlan {
  readonly plan: AppendPlan
  readonly appends: readonly Append[]
}

interface Batch {
  readonly messages: readonly OutgoingMessage[]
  /** With the place of each plan's first message. */
  readonly plans: readonly (TopicPlan & { readonly at: number })[]
  /** By subject, the place of its last message. */
  readonly positions: ReadonlyMap<string, number>
  /** Subjects of what is read by a key. */
  readonly readable: ReadonlySet<string>
}
