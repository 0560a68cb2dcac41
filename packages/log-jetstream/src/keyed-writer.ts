import { setTimeout as pause } from 'node:timers/promises'
import type { ExpectedVersion, OutgoingRecord, Receipt } from '@aegis/log'
import { partitionForKey } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { type Change, isTruncation, type PlacedRecord, placed, planAppend } from './append-plan.ts'
import type { Domain } from './domain.ts'
import { findHead, type Head, meets, readHead, versionConflict } from './heads.ts'
import { inParallel } from './in-parallel.ts'
import type { Locks } from './locks.ts'
import { largestBatch, type OutgoingMessage, type Publisher, SequenceConflict } from './publisher.ts'
import type { Topic } from './topic.ts'

/** @throws AegisError `LOG_INVALID` */
export function checkExpectation(topic: Topic, records: readonly PlacedRecord[], expected: ExpectedVersion): void {
  if (expected === 'any') return
  const keys = new Set(records.map(({ key }) => Buffer.from(key ?? []).toString('latin1')))
  if (topic.config.keyed === 'none' || keys.size > 1) {
    throw new AegisError(
      'LOG_INVALID',
      `expected: topic ${topic.config.name} must be keyed and all records have one key`,
    )
  }
}

/** Appends to keyed topics: a message for each key, on top of what the key is known to be at. */
export class KeyedWriter {
  readonly #domain: Domain
  readonly #publisher: Publisher
  readonly #locks: Locks

  constructor(domain: Domain, publisher: Publisher, locks: Locks) {
    this.#domain = domain
    this.#publisher = publisher
    this.#locks = locks
  }

  async append(topic: Topic, given: readonly OutgoingRecord[], expected: ExpectedVersion): Promise<Receipt> {
    const records = placed(topic, given)
    checkExpectation(topic, records, expected)
    if (records.length === 0) return { positions: [] }
    return this.#write(topic, records, expected)
  }

  /** Takes away the records of a key of a history topic below a version. */
  async truncate(topic: Topic, key: Uint8Array, before: number): Promise<void> {
    await this.#write(topic, [{ key, partition: partitionForKey(key, topic.config.partitions), before }], 'any')
  }

  async #write(topic: Topic, changes: readonly Change[], expected: ExpectedVersion): Promise<Receipt> {
    const subjects = subjectsOf(this.#domain, topic, changes)
    const release = await this.#locks.acquire(subjects.keys())
    try {
      return await this.#tryWriting(topic, changes, subjects, expected)
    } finally {
      release()
    }
  }

  async #tryWriting(
    topic: Topic,
    changes: readonly Change[],
    subjects: ReadonlyMap<string, Uint8Array>,
    expected: ExpectedVersion,
  ): Promise<Receipt> {
    const deadline = performance.now() + this.#domain.patience.milliseconds
    for (let wait = 1; ; wait = Math.min(2 * wait, 100)) {
      const { config, deleted } = topic
      if (deleted) throw new AegisError('TOPIC_UNKNOWN', `topic ${config.name} was deleted`)
      const matters = config.keyed === 'history' || expected !== 'any'
      const heads = new Map(
        await inParallel(matters ? subjects : [], async ([subject, key]) => {
          // What takes nothing away is written nowhere, and so not checked by the stream.
          if (changes.some(isTruncation)) this.#domain.recent.forget(subject)
          return [subject, await this.#expectedHead(topic, subject, key, expected)] as const
        }),
      )
      const plan = planAppend(this.#domain, topic, changes, heads)
      try {
        const sequences = await this.#publish(topic, plan.messages)
        for (const [at, { subject, data }] of plan.messages.entries()) {
          this.#domain.recent.wrote(subject, sequences[at]!, data)
        }
        return { positions: plan.positions(sequences) }
      } catch (error) {
        for (const subject of subjects.keys()) this.#domain.recent.forget(subject)
        if (!(error instanceof SequenceConflict)) throw error
        if (performance.now() > deadline) {
          throw new AegisError(
            'CLUSTER_UNREACHABLE',
            `topic ${config.name}: others write to the same keys all the time`,
          )
        }
      }
      await pause(Math.random() * wait)
    }
  }

  async #expectedHead(topic: Topic, subject: string, key: Uint8Array, expected: ExpectedVersion): Promise<Head> {
    const head = await findHead(this.#domain, topic, subject)
    if (meets(expected, head)) return head
    // What is in memory may be old: only the leader's word is reported.
    const fresh = await readHead(this.#domain, topic, subject)
    if (meets(expected, fresh)) return fresh
    throw versionConflict(topic, key, expected, fresh)
  }

  async #publish(topic: Topic, messages: readonly OutgoingMessage[]): Promise<number[]> {
    if (messages.length === 0) return []
    if (messages.length === 1) return [await this.#publisher.publish(messages[0]!)]
    if (!this.#domain.features.transactions) {
      const sequences: number[] = []
      for (const message of messages) sequences.push(await this.#publisher.publish(message))
      return sequences
    }
    if (messages.length >= largestBatch) {
      throw new AegisError(
        'TRANSACTION_TOO_LARGE',
        `an append of ${messages.length} keys to topic ${topic.config.name}: append less than ${largestBatch} in one call`,
      )
    }
    const first = await this.#publisher.publishAll(messages)
    return messages.map((_, at) => first + at)
  }
}

/** The subjects of the keys that are changed, with the keys. */
export function subjectsOf({ subjects }: Domain, topic: Topic, changes: readonly Change[]): Map<string, Uint8Array> {
  return new Map(
    changes.map(({ key, partition }) => [subjects.key(topic.config.incarnation, partition, key!), key!] as const),
  )
}
