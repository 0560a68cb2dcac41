import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import { keysSubject, sequenceBefore } from './keyed-reads.ts'
import { lastOfEach } from './last-of-each.ts'
import { lastMessage, messagesFrom, nextMessage } from './messages.ts'
import { sequenceAtTime } from './partition-figures.ts'
import { partitionSubject } from './partition-reader.ts'
import { recordsOf, versionsOf } from './record-message.ts'
import { decodeEntry } from './state.ts'
import type { StoredMessage } from './stored-message.ts'
import type { Topic } from './topic.ts'

const interval = 60_000
/** A producer is not forgotten sooner after its last append, in milliseconds. */
const producerStays = 7 * 86_400_000
/** How long a tombstone of a compacted topic stays, in milliseconds. */
const tombstoneStays = 86_400_000

/** Deletes what is kept no longer. Every process does it; whoever comes second finds nothing left to do. */
export class Maintenance {
  readonly #domain: Domain
  readonly #topics: () => Iterable<Topic>
  /** By subject, keys whose oldest records were taken away and whose messages are still there. */
  readonly #truncated = new Map<string, Topic>()
  #timer: NodeJS.Timeout | undefined

  constructor(domain: Domain, topics: () => Iterable<Topic>) {
    this.#domain = domain
    this.#topics = topics
  }

  start(): void {
    this.#timer = setInterval(() => {
      // Out of reach, or too slow: the next round does it.
      this.run().catch((error: unknown) => {
        if (!AegisError.is(error)) throw error
      })
    }, interval)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async run(): Promise<void> {
    for (const topic of this.#topics()) {
      await this.#expire(topic)
      if (topic.config.cleanup === 'compact') await this.#compactTopic(topic)
      await this.#forgetProducers(topic)
    }
    for (const [subject, topic] of this.#truncated) await this.freeTruncated(topic, subject)
    await this.compact(this.#domain.subjects.states)
    await this.compact(this.#domain.subjects.positions())
  }

  /** Keeps only the last message of each subject, and nothing of an entry that was deleted. */
  async compact(filter: string): Promise<void> {
    const { manager, stream, patience } = this.#domain
    const { state } = await patience.request('listing subjects', () =>
      manager.streams.info(stream, { subjects_filter: filter }),
    )
    for (const [subject, count] of Object.entries<number>(state.subjects ?? {})) {
      if (count > 1) await this.#compactSubject(subject)
    }
  }

  async #compactTopic(topic: Topic): Promise<void> {
    const filter = keysSubject(this.#domain, topic)
    await this.compact(filter)
    for await (const message of lastOfEach(this.#domain, filter)) {
      if (message.time > Date.now() - tombstoneStays) continue
      // Only up to what was seen: somebody may write at this moment.
      if (isTombstone(topic, message)) await this.#purge({ filter: message.subject, seq: message.sequence + 1 })
    }
  }

  /** Those that have been idle for long and have nothing left in the topic that a late repeat could add a second time. */
  async #forgetProducers({ config: { incarnation } }: Topic): Promise<void> {
    const { subjects } = this.#domain
    const producers = subjects.producers(incarnation)
    await this.compact(producers)
    let first: StoredMessage | undefined
    // In order of their last appends, which are stored before what is said of them.
    for await (const { subject, sequence, time } of messagesFrom(this.#domain, producers, 1)) {
      if (time > Date.now() - producerStays) return
      first ??= await nextMessage(this.#domain, subjects.records(incarnation), 1)
      if (first !== undefined && first.sequence < sequence) return
      const last = await lastMessage(this.#domain, subject)
      if (last?.sequence === sequence) await this.#purge({ filter: subject, seq: sequence + 1 })
    }
  }

  async #compactSubject(subject: string): Promise<void> {
    const last = await lastMessage(this.#domain, subject)
    if (last === undefined) return
    // Only up to what was seen: somebody may write at this moment.
    const seq = last.sequence + (isDeletion(this.#domain, last) ? 1 : 0)
    await this.#purge({ filter: subject, seq })
  }

  /** Frees the messages of a key that hold only records which were taken away; what fails now is done in a later round. */
  async freeTruncated(topic: Topic, subject: string): Promise<void> {
    this.#truncated.set(subject, topic)
    const last = await lastMessage(this.#domain, subject)
    if (last !== undefined && !topic.deleted) {
      const { kept } = versionsOf(last)
      const from = await sequenceBefore(this.#domain, subject, kept, last)
      for await (const message of messagesFrom(this.#domain, subject, from)) {
        if (message.sequence < last.sequence && versionsOf(message).last < kept) continue
        await this.#purge({ filter: subject, seq: message.sequence })
        break
      }
    }
    this.#truncated.delete(subject)
  }

  async topicDeleted({ config: { incarnation } }: Topic): Promise<void> {
    await this.#purge({ filter: this.#domain.subjects.records(incarnation) })
    await this.#purge({ filter: this.#domain.subjects.producers(incarnation) })
  }

  async #expire(topic: Topic): Promise<void> {
    const { retention, partitions } = topic.config
    if (retention === null) return
    for (let partition = 0; partition < partitions; partition++) {
      const filter = partitionSubject(this.#domain, topic, partition)
      const end = await this.#domain.lastSequence()
      const kept = await sequenceAtTime(this.#domain, filter, Date.now() - retention)
      await this.#purge({ filter, seq: kept ?? end + 1 })
    }
  }

  async #purge(what: { filter: string; seq?: number }): Promise<void> {
    const { manager, stream, patience } = this.#domain
    await patience.request(`purging ${what.filter}`, () => manager.streams.purge(stream, what))
  }
}

const isTombstone = (topic: Topic, message: StoredMessage): boolean =>
  recordsOf(topic.config.name, 0, message, 0, false).at(-1)?.value === null

const isDeletion = ({ subjects }: Domain, message: StoredMessage): boolean =>
  message.subject.startsWith(subjects.states.slice(0, -1)) && decodeEntry(message).value === undefined
