import { randomUUID } from 'node:crypto'
import { AegisError, type Operation, type Storage } from '@aegis/storage'
import { catalogKey, databaseKey, deletedKey, readU64, Space, text, topicKey, u64 } from '../keys.ts'
import type { AlterTopicOptions, TopicOptions } from '../log.ts'
import { decodeFigures, PartitionState } from './partition-state.ts'
import { restoredConfig } from './restored-topic.ts'
import type { Sequencer } from './sequencer.ts'
import {
  alteredTopic,
  checkName,
  checkTopic,
  type TopicDefaults,
  type TopicSettings,
  withDefaults,
} from './topic-options.ts'
import { type TopicConfig, TopicState } from './topic-state.ts'

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const allOf = (space: number): { gte: Uint8Array; lt: Uint8Array } => ({
  gte: Uint8Array.of(space),
  lt: Uint8Array.of(space + 1),
})

/** A topic that was deleted and of which something may still be stored. */
export interface DeletedTopic {
  readonly id: number
  readonly name: string
}

/** Which topics there are. */
export class TopicCatalog {
  readonly #storage: Storage
  readonly #sequencer: Sequencer
  readonly #topics = new Map<string, TopicState>()
  readonly #defaults: TopicDefaults
  #lastId = 0

  constructor(storage: Storage, sequencer: Sequencer, defaults: TopicDefaults) {
    this.#defaults = defaults
    this.#storage = storage
    this.#sequencer = sequencer
  }

  /** Reads the topics; returns those whose deletion was not finished. */
  async load(): Promise<DeletedTopic[]> {
    const last = await this.#storage.get(catalogKey)
    this.#lastId = last === undefined ? 0 : readU64(last, 0)
    const partitions = new Map<number, PartitionState[]>()
    for await (const entries of this.#storage.range(allOf(Space.partition))) {
      for (const [key, row] of entries) {
        const view = new DataView(key.buffer, key.byteOffset, key.length)
        const state = new PartitionState(view.getUint32(5), decodeFigures(row))
        this.#sequencer.startAfter(state.durable.commit)
        const id = view.getUint32(1)
        const known = partitions.get(id)
        if (known === undefined) partitions.set(id, [state])
        else known.push(state)
      }
    }
    for await (const entries of this.#storage.range(allOf(Space.topic))) {
      for (const [, value] of entries) {
        const config = JSON.parse(Buffer.from(value).toString('utf8')) as TopicConfig
        this.#topics.set(config.name, new TopicState(config, partitions.get(config.id)))
      }
    }
    await this.#recognize()
    const deleted: DeletedTopic[] = []
    for await (const entries of this.#storage.range(allOf(Space.deleted))) {
      for (const [key, name] of entries) {
        const id = new DataView(key.buffer, key.byteOffset, key.length).getUint32(1)
        deleted.push({ id, name: Buffer.from(name).toString() })
      }
    }
    return deleted
  }

  /** In a database that was made of a backup, topics leave out the offsets that the records after the backup had. */
  async #recognize(): Promise<void> {
    const { databaseId, status } = this.#storage
    const known = await this.#storage.get(databaseKey)
    if (known === undefined || Buffer.compare(known, text(databaseId)) === 0 || status === 'read-only') return
    const operations: Operation[] = [{ type: 'put', key: databaseKey, value: text(databaseId) }]
    for (const [name, topic] of this.#topics) {
      const config = restoredConfig(topic.config, topic.nextOffset)
      this.#topics.set(name, new TopicState(config, topic.partitions))
      operations.push({ type: 'put', key: topicKey(name), value: json(config) })
    }
    await this.#storage.commit(operations)
  }

  find(name: string): TopicState {
    const topic = this.#topics.get(name)
    if (topic !== undefined) return topic
    throw new AegisError('TOPIC_UNKNOWN', `topic ${JSON.stringify(name)} does not exist: create it first`)
  }

  all(): Iterable<TopicState> {
    return this.#topics.values()
  }

  async create(name: string, options: TopicOptions): Promise<TopicState> {
    checkName(name)
    const known = this.#topics.get(name)
    const wanted = checkTopic(name, withDefaults(name, options, this.#defaults, known?.config))
    if (known !== undefined) {
      checkSame(known.config, wanted)
      // Whoever created it may still wait for the commit.
      await this.#sequencer.write(() => undefined)
      return known
    }
    const id = ++this.#lastId
    const topic = new TopicState({ ...wanted, id, incarnation: randomUUID() })
    this.#topics.set(name, topic)
    await this.#sequencer.write(stage => {
      stage.put(topicKey(name), json(topic.config))
      stage.put(catalogKey, u64(id))
      stage.put(databaseKey, text(this.#storage.databaseId))
    })
    return topic
  }

  async alter(name: string, options: AlterTopicOptions): Promise<TopicState> {
    const topic = this.find(name)
    const config = alteredTopic(topic.config, options)
    topic.alter(config)
    await this.#sequencer.write(stage => stage.put(topicKey(name), json(config)))
    return topic
  }

  /** From the commit on the topic is gone; a mark tells that its records have still to be cleared away. */
  async delete(name: string): Promise<TopicState> {
    const topic = this.find(name)
    topic.deleted = true
    this.#topics.delete(name)
    await this.#sequencer.write(stage => {
      stage.delete(topicKey(name))
      stage.put(deletedKey(topic.config.id), text(name))
    })
    topic.wake()
    return topic
  }
}

/** @throws AegisError `TOPIC_EXISTS` with what differs */
export function checkSame(config: TopicSettings, wanted: Readonly<Partial<TopicSettings>>): void {
  const shown: Readonly<Record<string, unknown>> = { ...config }
  const different = Object.entries(wanted).filter(([option, value]) => shown[option] !== value)
  if (different.length === 0) return
  const list = different.map(([option, value]) => `${option} is ${String(shown[option])}, asked for ${String(value)}`)
  throw new AegisError(
    'TOPIC_EXISTS',
    `topic ${config.name} exists with other settings: ${list.join('; ')}: give the same, or use alterTopic`,
    { details: { topic: config.name, different: different.map(([option]) => option) } },
  )
}
