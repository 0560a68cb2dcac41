import { JetStreamApiError } from '@nats-io/jetstream'
import { type KV, type KvEntry, Kvm } from '@nats-io/kv'
import type { Domain } from '../domain.ts'
import { Feed } from '../feed.ts'
import { tokenOf } from '../subjects.ts'
import type { Topic } from '../topic.ts'
import { emptyGroup, type GroupRecord } from './group-record.ts'

/** Where a group's record and its members' signs of life are kept. */
export interface GroupKeys {
  readonly record: string
  readonly signs: string
  readonly all: string
}

export function groupKeys({ config: { incarnation } }: Topic, groupId: string): GroupKeys {
  const group = `${incarnation}.${tokenOf(groupId)}`
  return { record: `${group}.record`, signs: `${group}.alive`, all: `${group}.>` }
}

/** The groups of a domain in a key-value store of their own, whose every change is a compare-and-set. */
export class GroupStore {
  readonly #domain: Domain
  #bucket: Promise<KV> | undefined

  constructor(domain: Domain) {
    this.#domain = domain
  }

  get #name(): string {
    return `${this.#domain.stream}_groups`
  }

  async record(topic: Topic, groupId: string): Promise<GroupRecord | undefined> {
    const entry = await this.#get(groupKeys(topic, groupId).record)
    return entry === null ? undefined : parse(entry)
  }

  /** Applies a change until nobody else was faster; nothing is written when it gives the same record. */
  async change(topic: Topic, groupId: string, change: (record: GroupRecord) => GroupRecord): Promise<GroupRecord> {
    const { record: key } = groupKeys(topic, groupId)
    for (;;) {
      const entry = await this.#get(key)
      const before = entry === null ? emptyGroup(groupId, topic.config.name, topic.config.partitions) : parse(entry)
      const after = change(before)
      if (after === before) return after
      const data = JSON.stringify(after)
      try {
        await this.#ask('changing a group', bucket => bucket.put(key, data, { previousSeq: entry?.revision ?? 0 }))
        return after
      } catch (error) {
        if (!isOvertaken(error)) throw error
      }
    }
  }

  async alive(topic: Topic, groupId: string, memberId: string): Promise<void> {
    const key = `${groupKeys(topic, groupId).signs}.${memberId}`
    await this.#ask('showing a sign of life', bucket => bucket.put(key, ''))
  }

  async gone(topic: Topic, groupId: string, memberId: string): Promise<void> {
    const key = `${groupKeys(topic, groupId).signs}.${memberId}`
    await this.#ask('leaving a group', bucket => bucket.purge(key))
  }

  /** When a member has shown itself last, by the servers' clock; `undefined` when it never has. */
  async lastSign(topic: Topic, groupId: string, memberId: string): Promise<number | undefined> {
    const entry = await this.#get(`${groupKeys(topic, groupId).signs}.${memberId}`)
    return entry === null || entry.operation !== 'PUT' ? undefined : entry.created.getTime()
  }

  /**
   * Calls back for what is there of a group, and for each change, with the key. `failed` is called when nothing can be heard any
   * more. Gives the function that ends it.
   */
  async watch(
    topic: Topic,
    groupId: string,
    changed: (key: string) => void,
    failed: (error: unknown) => void,
  ): Promise<() => void> {
    await this.#open()
    const keys = `$KV.${this.#name}.`
    const filter = `${keys}${groupKeys(topic, groupId).all}`
    const arrived = (): void => {
      try {
        for (let entry = feed.take(); entry !== undefined; entry = feed.take())
          changed(entry.subject.slice(keys.length))
      } catch (error) {
        failed(error)
      }
    }
    const feed = new Feed(this.#domain, filter, 'last-of-each-subject', arrived, `KV_${this.#name}`)
    return () => feed.close()
  }

  /** The records of all groups of a topic. */
  async records({ config: { incarnation } }: Topic): Promise<GroupRecord[]> {
    const records: GroupRecord[] = []
    for (const key of await this.#keys(`${incarnation}.*.record`)) {
      const entry = await this.#get(key)
      if (entry !== null) records.push(parse(entry))
    }
    return records
  }

  /** Deletes all groups of a topic. */
  async forget({ config: { incarnation } }: Topic): Promise<void> {
    for (const key of await this.#keys(`${incarnation}.>`)) {
      await this.#ask('deleting a group', bucket => bucket.purge(key))
    }
  }

  #get(key: string): Promise<KvEntry | null> {
    return this.#ask('reading a group', bucket => bucket.get(key))
  }

  #keys(filter: string): Promise<string[]> {
    return this.#ask('listing groups', async bucket => {
      const keys: string[] = []
      for await (const key of await bucket.keys(filter)) keys.push(key)
      return keys
    })
  }

  async #ask<T>(what: string, ask: (bucket: KV) => Promise<T>): Promise<T> {
    const bucket = await this.#open()
    return this.#domain.patience.request(what, () => ask(bucket))
  }

  #open(): Promise<KV> {
    const { connection, replicas, patience } = this.#domain
    this.#bucket ??= patience
      .request('opening the groups', () =>
        // Read from the leader only: who decides must not decide on what another server has not heard yet.
        new Kvm(connection).create(this.#name, { history: 1, replicas, allow_direct: false }),
      )
      .catch((error: unknown) => {
        this.#bucket = undefined
        throw error
      })
    return this.#bucket
  }
}

const parse = (entry: KvEntry): GroupRecord => entry.json<GroupRecord>()

/** A translated error has the server's own in its cause. */
const isOvertaken = (error: unknown): boolean => {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  return cause instanceof JetStreamApiError && (cause.code === 10071 || cause.code === 10164)
}
