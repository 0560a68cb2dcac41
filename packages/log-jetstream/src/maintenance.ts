import { AegisError } from '@aegis/storage'
import { Compaction } from './compaction.ts'
import type { Domain } from './domain.ts'
import { keysSubject, sequenceBefore } from './keyed-reads.ts'
import { lastMessage, messagesFrom, nextMessage } from './messages.ts'
import { purge } from './purge.ts'
import { recordsOf, versionsOf } from './record-message.ts'
import { Retention } from './retention.ts'
import { decodeEntry } from './state.ts'
import type { StoredMessage } from './stored-message.ts'
import type { Topic } from './topic.ts'

const interval = 60_000
/** A producer is not forgotten sooner after its last append, in milliseconds. */
const producerStays = 7 * 86_400_000

/** Deletes what is kept no longer. Every process does it; whoever comes second finds nothing left to do. */
export class Maintenance {
  readonly #domain: Domain
  readonly #topics: () => Iterable<Topic>
  readonly #retention: Retention
  readonly #compaction: Compaction
  /** By subject, keys whose oldest records were taken away and whose messages are still there. */
  readonly #truncated = new Map<string, Topic>()
  #timer: NodeJS.Timeout | undefined
  #rounds: Promise<void> = Promise.resolve()
  #running = 0

  constructor(domain: Domain, topics: () => Iterable<Topic>) {
    this.#domain = domain
    this.#topics = topics
    this.#retention = new Retention(domain)
    this.#compaction = new Compaction(domain)
  }

  start(): void {
    this.#timer = setInterval(() => {
      if (this.#running > 0) return
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

  /** One round at a time: what one has counted the next must not count again. */
  run(): Promise<void> {
    this.#running++
    const round = this.#rounds.then(() => this.#round())
    const done = (): void => {
      this.#running--
    }
    this.#rounds = round.then(done, done)
    return round
  }

  async #round(): Promise<void> {
    for (const topic of this.#topics()) {
      await this.#retention.run(topic)
      if (topic.config.cleanup === 'compact') await this.#compactTopic(topic)
      await this.#forgetProducers(topic)
    }
    for (const [subject, topic] of this.#truncated) await this.freeTruncated(topic, subject)
    await this.compact(this.#domain.subjects.states)
    await this.#compaction.run(this.#domain.subjects.positions())
  }

  /** Of private keys: keeps only the last value of each, and nothing of one that was deleted. */
  async compact(filter: string): Promise<void> {
    await this.#compaction.run(filter, message => decodeEntry(message).value === undefined)
  }

  async #compactTopic(topic: Topic): Promise<void> {
    const filter = keysSubject(this.#domain, topic)
    await this.#compaction.run(filter)
    await this.#compaction.clearTombstones(filter, message => isTombstone(topic, message))
  }

  /** Those that have been idle for long and have nothing left in the topic that a late repeat could add a second time. */
  async #forgetProducers({ config: { incarnation } }: Topic): Promise<void> {
    const { subjects } = this.#domain
    const producers = subjects.producers(incarnation)
    await this.#compaction.run(producers)
    let first: StoredMessage | undefined
    // In order of their last appends, which are stored before what is said of them.
    for (let from = 1; ; ) {
      const producer = await nextMessage(this.#domain, producers, from)
      if (producer === undefined || producer.time > Date.now() - producerStays) return
      const { subject, sequence } = producer
      first ??= await nextMessage(this.#domain, subjects.records(incarnation), 1)
      if (first !== undefined && first.sequence < sequence) return
      const last = await lastMessage(this.#domain, subject)
      if (last?.sequence === sequence) await purge(this.#domain, subject, sequence + 1)
      from = sequence + 1
    }
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
        await purge(this.#domain, subject, message.sequence)
        break
      }
    }
    this.#truncated.delete(subject)
  }

  async topicDeleted(topic: Topic): Promise<void> {
    const { subjects } = this.#domain
    const { incarnation } = topic.config
    this.#retention.forget(topic)
    await purge(this.#domain, subjects.records(incarnation))
    await purge(this.#domain, subjects.producers(incarnation))
  }
}

const isTombstone = (topic: Topic, message: StoredMessage): boolean =>
  recordsOf(topic.config.name, 0, message, 0, false).at(-1)?.value === null
