import { randomBytes } from 'node:crypto'
import type { AlterTopicOptions, TopicOptions } from '@aegis/log'
import {
  alteredTopic,
  checkName,
  checkSame,
  checkTopic,
  type TopicDefaults,
  type TopicSettings,
  withDefaults,
} from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import { Feed } from './feed.ts'
import { lastMessage, messagesFrom } from './messages.ts'
import { type Publisher, SequenceConflict } from './publisher.ts'
import type { StoredMessage } from './stored-message.ts'
import { Topic, type TopicConfig } from './topic.ts'

const gone = Buffer.from('null')

/** Which topics there are: all in memory, kept up to date by watching their configurations. */
export class Catalog {
  readonly #domain: Domain
  readonly #publisher: Publisher
  readonly #defaults: TopicDefaults
  readonly #topics = new Map<string, Topic>()
  /** By subject, the newest configuration that was taken up; a deleted topic has one, too. */
  readonly #sequences = new Map<string, number>()
  readonly #feed: Feed
  /** What ended the watching: from then on topics of others do not become known. */
  #failure: { readonly error: unknown } | undefined
  /** All configurations up to this sequence were taken up. */
  #loaded = 0

  constructor(domain: Domain, publisher: Publisher, defaults: TopicDefaults) {
    this.#domain = domain
    this.#publisher = publisher
    this.#defaults = defaults
    this.#feed = new Feed(domain, domain.subjects.topics, 'last-of-each-subject', () => this.#watch())
  }

  /** Resolves when every topic that was there at the call is known. */
  async load(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error
    // Asked for, not waited for: what is asked for has an answer or fails in time.
    for await (const message of messagesFrom(this.#domain, this.#domain.subjects.topics, this.#loaded + 1)) {
      this.#take(message)
      this.#loaded = message.sequence
    }
  }

  find(name: string): Topic {
    const topic = this.#topics.get(name)
    if (topic !== undefined) return topic
    if (this.#failure !== undefined) throw this.#failure.error
    throw new AegisError('TOPIC_UNKNOWN', `topic ${JSON.stringify(name)} does not exist: create it first`)
  }

  /** Asks the servers when the topic is not known here. @throws AegisError `TOPIC_UNKNOWN` */
  async known(name: string): Promise<Topic> {
    return this.#topics.get(name) ?? this.refresh(name)
  }

  all(): Iterable<Topic> {
    return this.#topics.values()
  }

  /** Asks the servers. @throws AegisError `TOPIC_UNKNOWN` */
  async refresh(name: string): Promise<Topic> {
    const message = await lastMessage(this.#domain, this.#domain.subjects.topic(name))
    if (message !== undefined) this.#take(message)
    return this.find(name)
  }

  async create(name: string, options: TopicOptions): Promise<Topic> {
    checkName(name)
    for (;;) {
      const known = this.#topics.get(name)
      const settings = checkTopic(name, withDefaults(name, options, this.#defaults, known?.config))
      const wanted = { ...settings, replicationFactor: this.#domain.replicas }
      if (known !== undefined) {
        checkSame(known.config, wanted)
        return known
      }
      this.#checkLimits(wanted)
      const config = { ...wanted, incarnation: randomBytes(9).toString('base64url') }
      const topic = await this.#write(config, this.#sequences.get(this.#domain.subjects.topic(name)) ?? 0)
      if (topic !== undefined) return topic
      if (this.#failure !== undefined) throw this.#failure.error
    }
  }

  async alter(name: string, options: AlterTopicOptions): Promise<Topic> {
    for (;;) {
      const topic = await this.refresh(name)
      const config = alteredTopic(topic.config, options)
      this.#checkLimits(config)
      const altered = await this.#write(config, topic.sequence)
      if (altered !== undefined) return altered
    }
  }

  /** From then on it is gone; gives it for its records to be cleared away. */
  async delete(name: string): Promise<Topic> {
    for (;;) {
      const topic = await this.refresh(name)
      const subject = this.#domain.subjects.topic(name)
      try {
        const sequence = await this.#publisher.publish({ subject, data: gone, expected: topic.sequence })
        this.#take({ subject, data: gone, sequence, time: Date.now(), id: undefined })
        return topic
      } catch (error) {
        if (!(error instanceof SequenceConflict)) throw error
      }
    }
  }

  close(): void {
    this.#feed.close()
    for (const topic of this.#topics.values()) topic.delete()
  }

  /** `undefined` when somebody else was first: what they wrote is known then. */
  async #write(config: TopicConfig, expected: number): Promise<Topic | undefined> {
    const subject = this.#domain.subjects.topic(config.name)
    const data = Buffer.from(JSON.stringify(config))
    try {
      const sequence = await this.#publisher.publish({ subject, data, expected })
      this.#take({ subject, data, sequence, time: Date.now(), id: undefined })
      return this.find(config.name)
    } catch (error) {
      if (!(error instanceof SequenceConflict)) throw error
      const message = await lastMessage(this.#domain, subject)
      if (message !== undefined) this.#take(message)
      return undefined
    }
  }

  #watch(): void {
    try {
      for (let message = this.#feed.take(); message !== undefined; message = this.#feed.take()) this.#take(message)
    } catch (error) {
      this.#failure = { error }
    }
  }

  /** Takes up a configuration unless a newer one of the topic is known. */
  #take({ subject, data, sequence }: StoredMessage): void {
    if ((this.#sequences.get(subject) ?? 0) >= sequence) return
    this.#sequences.set(subject, sequence)
    const config = JSON.parse(Buffer.from(data).toString('utf8')) as TopicConfig | null
    const known = [...this.#topics.values()].find(
      ({ config: { name } }) => this.#domain.subjects.topic(name) === subject,
    )
    if (known !== undefined && config?.incarnation === known.config.incarnation) {
      known.alter(config, sequence)
      return
    }
    if (known !== undefined) {
      this.#topics.delete(known.config.name)
      known.delete()
    }
    if (config !== null) this.#topics.set(config.name, new Topic(config, sequence))
  }

  #checkLimits({ name, maxMessageSize }: TopicSettings): void {
    const most = this.#domain.maxPayload
    if (maxMessageSize > most) {
      throw new AegisError(
        'LOG_INVALID',
        `maxMessageSize of topic ${name} is ${maxMessageSize}: the servers take at most ${most} (their max_payload)`,
      )
    }
  }
}
