import type { OutgoingRecord, Receipt, RecordPosition } from '@aegis/log'
import { partitionForKey } from '@aegis/log'
import { type BatchWriter, noHeaders } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import { largestBatch, type Publisher } from './publisher.ts'
import { finishMessage, offsetOf, offsetsPerMessage, recordWriter } from './record-message.ts'
import type { Topic } from './topic.ts'

/** A message that is being gathered, and the sequence it will have. */
interface Pending {
  readonly partition: number
  readonly writer: BatchWriter
  sequence: number
}

interface Place {
  readonly message: Pending
  readonly index: number
  readonly timestamp: number
}

/** What is sent together: everything that was appended while the round before was on its way. */
interface Round {
  readonly messages: Pending[]
  readonly open: Map<number, Pending>
  /** Whether an append has records in several messages: then all or none of them must be stored. */
  together: boolean
  /** One promise for all that wait. */
  readonly stored: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

function newRound(): Round {
  let settle: Pick<Round, 'resolve' | 'reject'> | undefined
  const stored = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // Whoever appended hears of it; the promise of a round that nobody waits for does not count as unhandled.
  stored.catch(() => undefined)
  return { messages: [], open: new Map(), together: false, stored, ...settle! }
}

/**
 * Appends to a topic that is not keyed. Many small appends share a message: all of one turn, and while messages are on
 * their way all until they are stored, so that records stay in the order of the calls.
 */
export class TopicWriter {
  readonly #domain: Domain
  readonly #publisher: Publisher
  readonly #topic: Topic
  readonly #stored: () => void
  #round = newRound()
  #sending = false
  #scheduled = false
  readonly #idle: (() => void)[] = []

  /** `stored` is called for each round. */
  constructor(domain: Domain, publisher: Publisher, topic: Topic, stored: () => void) {
    this.#domain = domain
    this.#publisher = publisher
    this.#topic = topic
    this.#stored = stored
  }

  /** Records that are checked. */
  append(records: readonly OutgoingRecord[]): Promise<Receipt> {
    if (records.length === 0) return Promise.resolve({ positions: [] })
    const places = this.#place(records)
    return this.#gathered(places).then(() => ({ positions: places.map(place => this.#position(place)) }))
  }

  /** A record that is checked. */
  appendOne(record: OutgoingRecord): Promise<RecordPosition> {
    const places = this.#place([record])
    return this.#gathered(places).then(() => this.#position(places[0]!))
  }

  #place(records: readonly OutgoingRecord[]): Place[] {
    const now = Date.now()
    const { partitions } = this.#topic.config
    const free = records.some(({ key, partition }) => (key ?? null) === null && partition === undefined)
    const sticky = free && partitions > 1 ? this.#topic.partitioner.next() : 0
    return records.map(record => {
      const { value, headers = noHeaders, timestamp = now } = record
      const key = typeof record.key === 'string' ? Buffer.from(record.key) : (record.key ?? null)
      const partition = record.partition ?? (key === null ? sticky : partitionForKey(key, partitions))
      const message = this.#messageFor(partition, sizeOf(record), timestamp)
      const index = message.writer.count
      message.writer.append(index, timestamp, key, value, headers)
      return { message, index, timestamp }
    })
  }

  /** Resolves when the round that is being gathered is stored. */
  #gathered(places: readonly Place[]): Promise<void> {
    const round = this.#round
    if (places.some(({ message }) => message !== places[0]!.message)) round.together = true
    this.#schedule()
    return round.stored
  }

  #position({ message: { partition, sequence }, index, timestamp }: Place): RecordPosition {
    return { topic: this.#topic.config.name, partition, offset: offsetOf(sequence) + index, timestamp }
  }

  /** Resolves when everything that was appended is known to be stored, or to have failed. */
  async finished(): Promise<void> {
    while (this.#sending || this.#scheduled) {
      await new Promise<void>(resolve => this.#idle.push(resolve))
    }
  }

  #messageFor(partition: number, size: number, timestamp: number): Pending {
    const open = this.#round.open.get(partition)
    if (
      open !== undefined &&
      open.writer.count < offsetsPerMessage &&
      open.writer.length + size <= this.#domain.maxPayload
    ) {
      return open
    }
    const message = { partition, writer: recordWriter(timestamp), sequence: 0 }
    this.#round.open.set(partition, message)
    this.#round.messages.push(message)
    return message
  }

  #schedule(): void {
    if (this.#sending || this.#scheduled) return
    this.#scheduled = true
    // One turn later: all that is appended in this turn shares the messages.
    queueMicrotask(() => {
      this.#scheduled = false
      void this.#send()
    })
  }

  /** Never rejects: who waits for the round hears of its failure. */
  async #send(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    while (this.#round.messages.length > 0) {
      const round = this.#round
      this.#round = newRound()
      try {
        await this.#store(round)
      } catch (error) {
        round.reject(error)
        continue
      }
      for (const { sequence, writer } of round.messages) this.#topic.saw(offsetOf(sequence) + writer.count)
      this.#stored()
      round.resolve()
    }
    this.#sending = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #store({ messages, together }: Round): Promise<void> {
    const { config, deleted } = this.#topic
    if (deleted) throw new AegisError('TOPIC_UNKNOWN', `topic ${config.name} was deleted`)
    const outgoing = messages.map(({ partition, writer }) => ({
      subject: this.#domain.subjects.partition(config.incarnation, partition),
      data: finishMessage(writer),
    }))
    if (!together || !this.#domain.features.transactions) {
      const sequences = await Promise.all(outgoing.map(message => this.#publisher.publish(message)))
      messages.forEach((message, at) => {
        message.sequence = sequences[at]!
      })
      return
    }
    if (outgoing.length >= largestBatch) {
      throw new AegisError(
        'TRANSACTION_TOO_LARGE',
        `appends to topic ${config.name} need ${outgoing.length} messages at once: append less in one call`,
      )
    }
    const first = await this.#publisher.publishAll(outgoing)
    messages.forEach((message, at) => {
      message.sequence = first + at
    })
  }
}

/** Bytes that a record may need in a batch, at most. */
export const sizeOf = ({ key, value, headers = noHeaders }: OutgoingRecord): number =>
  64 +
  bytesOf(key) +
  bytesOf(value) +
  headers.reduce((sum, header) => sum + 3 * header.key.length + (header.value?.length ?? 0) + 10, 0)

const bytesOf = (part: Uint8Array | string | null | undefined): number =>
  typeof part === 'string' ? 3 * part.length : (part?.length ?? 0)
