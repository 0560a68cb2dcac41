import type { Follower, FollowOptions, LogRecord, ReadResult } from '@aegis/log'
import type { Domain } from './domain.ts'
import { Feed } from './feed.ts'
import { keySubject } from './keyed-reads.ts'
import { lastMessage } from './messages.ts'
import { partitionSubject, type ReadLimits, topicEnd } from './partition-reader.ts'
import { endOf, recordsOf, sequenceOf } from './record-message.ts'
import type { Topic } from './topic.ts'

interface Followed {
  readonly partition: number
  readonly feed: Feed
  /** Records below it are not wanted. */
  from: number
  /** Of a message with more records than were asked for. */
  rest: readonly LogRecord[]
  /** Of one key: where the topic ended when it began, and where the key's last message did. */
  began?: { readonly end: number; readonly keyEnd: number }
}

/** Live reading of some partitions, each by a feed of its own, in turn. */
export class JetStreamFollower implements Follower {
  readonly #domain: Domain
  readonly #topic: Topic
  readonly #limits: ReadLimits
  readonly #turn: Followed[] = []
  readonly #stop: () => void
  /** How many partitions the topic had; `undefined` when added ones are not followed. */
  #known: number | undefined
  #closed = false
  #failure: { readonly error: unknown } | undefined
  #wake: () => void = () => undefined

  constructor(
    domain: Domain,
    topic: Topic,
    limits: ReadLimits,
    { positions, key, addedPartitions = false, signal }: FollowOptions,
    onClose: (follower: JetStreamFollower) => void,
  ) {
    this.#domain = domain
    this.#topic = topic
    this.#limits = limits
    if (addedPartitions) this.#known = topic.config.partitions
    const close = (): void => this.close()
    const unwatch = topic.onChange(() => this.#wake())
    this.#stop = () => {
      unwatch()
      signal?.removeEventListener('abort', close)
      onClose(this)
    }
    for (const [partition, from] of positions) this.#follow(partition, from, key)
    if (signal?.aborted === true) this.close()
    signal?.addEventListener('abort', close, { once: true })
  }

  async next(): Promise<(ReadResult & { readonly partition: number }) | undefined> {
    while (!this.#closed && !this.#topic.deleted) {
      const woken = new Promise<void>(resolve => {
        this.#wake = resolve
      })
      if (this.#failure !== undefined) throw this.#failure.error
      this.#takeUpAdded()
      for (let tried = 0; tried < this.#turn.length; tried++) {
        const followed = this.#turn.shift()!
        this.#turn.push(followed)
        const page = this.#read(followed)
        const passed = this.#passed(followed, page)
        if (passed.records.length > 0 || passed !== page) return { partition: followed.partition, ...passed }
      }
      await woken
    }
    return undefined
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { feed } of this.#turn) feed.close()
    this.#stop()
    this.#wake()
  }

  #follow(partition: number, from: number, key?: Uint8Array): void {
    const subject =
      key === undefined
        ? partitionSubject(this.#domain, this.#topic, partition)
        : keySubject(this.#domain, this.#topic, key)
    const feed = new Feed(this.#domain, subject, { sequence: sequenceOf(from) }, () => this.#wake())
    const followed: Followed = { partition, feed, from, rest: [] }
    this.#turn.push(followed)
    if (key === undefined) return
    this.#begin(followed, subject).catch((error: unknown) => {
      this.#failure = { error }
      this.#wake()
    })
  }

  /** Finds out how far there is nothing but what the key has: the messages of others do not come. */
  async #begin(followed: Followed, subject: string): Promise<void> {
    const end = await topicEnd(this.#domain, this.#topic)
    const last = await lastMessage(this.#domain, subject)
    followed.began = { end, keyEnd: last === undefined ? 0 : endOf(last) }
    this.#wake()
  }

  /** The page with where the topic ended when it began, once everything of the key is read that was there. */
  #passed(followed: Followed, page: ReadResult): ReadResult {
    const { began, rest, from } = followed
    if (began === undefined || rest.length > 0 || from < began.keyEnd) return page
    delete followed.began
    followed.from = Math.max(from, began.end)
    return { ...page, nextOffset: followed.from }
  }

  #takeUpAdded(): void {
    const { partitions } = this.#topic.config
    for (let added = this.#known ?? partitions; added < partitions; added++) this.#follow(added, 0)
    if (this.#known !== undefined) this.#known = partitions
  }

  #read(followed: Followed): ReadResult {
    const { maxRecords, maxBytes } = this.#limits
    const { name, keyed } = this.#topic.config
    const records: LogRecord[] = [...followed.rest]
    let bytes = 0
    followed.rest = []
    while (records.length < maxRecords && bytes < maxBytes) {
      const message = followed.feed.take()
      if (message === undefined) break
      for (const record of recordsOf(name, followed.partition, message, followed.from, keyed === 'history')) {
        records.push(record)
      }
      bytes += message.data.length
      followed.from = Math.max(followed.from, endOf(message))
    }
    if (records.length <= maxRecords) return { records, nextOffset: followed.from, bytes }
    followed.rest = records.slice(maxRecords)
    return { records: records.slice(0, maxRecords), nextOffset: records[maxRecords]!.offset, bytes }
  }
}
