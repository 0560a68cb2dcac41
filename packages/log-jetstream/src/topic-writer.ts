import type { OutgoingRecord, Receipt, RecordPosition } from '@aegis/log'
import { partitionForKey } from '@aegis/log'
import { type BatchWriter, noHeaders } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import type { Locks, Turn } from './locks.ts'
import { largestBatch, type Publisher } from './publisher.ts'
import { finishMessage, offsetOf, offsetsPerMessage, recordWriter } from './record-message.ts'
import type { Topic } from './topic.ts'

/** A message that is being gathered. */
interface Pending {
  readonly partition: number
  readonly writer: BatchWriter
  /** That it may have, at most: a text counts for the most that it can become. */
  bytes: number
  /** Of its first record; known when it is stored. */
  offset: number
}

interface Placed {
  readonly message: Pending
  readonly index: number
  readonly timestamp: number
}

/** What is sent together: everything that was appended while the round before was on its way. */
class Round {
  readonly messages: Pending[] = []
  readonly turn: Turn
  /** Whether an append has records in several messages: then all or none of them must be stored. */
  together = false
  /** One promise for all that wait. */
  readonly stored: Promise<void>
  resolve: () => void = () => undefined
  reject: (error: unknown) => void = () => undefined
  /** Bytes that a message may have. */
  readonly #most: number
  readonly #open = new Map<number, Pending>()

  constructor(turn: Turn, most: number) {
    this.turn = turn
    this.#most = most
    this.stored = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Whoever appended hears of it; the promise of a round that nobody waits for does not count as unhandled.
    this.stored.catch(() => undefined)
  }

  /** The message of a partition that has room for so many bytes. */
  messageFor(partition: number, bytes: number, timestamp: number): Pending {
    let message = this.#open.get(partition)
    if (message !== undefined && message.bytes + bytes > this.#most) message.bytes = message.writer.measure()
    if (message === undefined || message.writer.count >= offsetsPerMessage || message.bytes + bytes > this.#most) {
      message = { partition, writer: recordWriter(timestamp), bytes: 0, offset: 0 }
      this.#open.set(partition, message)
      this.messages.push(message)
    }
    message.bytes += bytes
    return message
  }
}

/** What writing to topics needs of the log. */
export interface WriterHost {
  readonly domain: Domain
  readonly publisher: Publisher
  readonly locks: Locks
  countCommit(): void
  /** What is to be waited for before the log is closed. */
  track<T>(work: Promise<T>): Promise<T>
}

/** Who appends to a topic that is not keyed stands in this line, so that its records are in the order of the calls. */
export const lineOf = ({ subjects }: Domain, { config }: Topic): string => subjects.records(config.incarnation)

/**
 * Appends to a topic that is not keyed. Many small appends share a message: all of one turn, and while messages are on
 * their way all until they are stored, so that records stay in the order of the calls.
 */
export class TopicWriter {
  readonly #host: WriterHost
  readonly #topic: Topic
  readonly #line: string
  /** That is being gathered. */
  #round: Round | undefined

  constructor(host: WriterHost, topic: Topic) {
    this.#host = host
    this.#topic = topic
    this.#line = lineOf(host.domain, topic)
  }

  /** Records that are checked. */
  append(records: readonly OutgoingRecord[]): Promise<Receipt> {
    if (records.length === 0) return Promise.resolve({ positions: [] })
    const round = this.#gathering()
    const { partitions } = this.#topic.config
    const free = records.some(({ key, partition }) => (key ?? null) === null && partition === undefined)
    const sticky = free && partitions > 1 ? this.#topic.partitioner.next() : 0
    const now = Date.now()
    const placed = records.map(record => this.#place(round, record, sticky, now))
    if (placed.some(({ message }) => message !== placed[0]!.message)) round.together = true
    return round.stored.then(() => ({
      positions: placed.map(({ message, index, timestamp }) => this.#position(message, index, timestamp)),
    }))
  }

  /** A record that is checked. A promise is all that is made for it besides its bytes (docs/benchmarks.md). */
  appendOne(record: OutgoingRecord): Promise<RecordPosition> {
    const round = this.#gathering()
    const free = (record.key ?? null) === null && record.partition === undefined
    const sticky = free && this.#topic.config.partitions > 1 ? this.#topic.partitioner.next() : 0
    const { message, index, timestamp } = this.#place(round, record, sticky, Date.now())
    return round.stored.then(() => this.#position(message, index, timestamp))
  }

  #place(round: Round, record: OutgoingRecord, sticky: number, now: number): Placed {
    const { value, headers = noHeaders, timestamp = now } = record
    const { partitions } = this.#topic.config
    const key = typeof record.key === 'string' ? Buffer.from(record.key) : (record.key ?? null)
    const partition =
      record.partition ?? (key === null ? sticky : partitions === 1 ? 0 : partitionForKey(key, partitions))
    const message = round.messageFor(partition, sizeOf(record), timestamp)
    const index = message.writer.count
    message.writer.append(index, timestamp, key, value, headers)
    return { message, index, timestamp }
  }

  #position({ partition, offset }: Pending, index: number, timestamp: number): RecordPosition {
    return { topic: this.#topic.config.name, partition, offset: offset + index, timestamp }
  }

  /** The round that takes what is appended now: nothing that was asked for since it began must come behind it. */
  #gathering(): Round {
    if (this.#round?.turn.last === true) return this.#round
    const round = new Round(this.#host.locks.take([this.#line]), this.#host.domain.maxPayload)
    this.#round = round
    void this.#host.track(this.#send(round))
    return round
  }

  /** Never rejects: who waits for the round hears of its failure. */
  async #send(round: Round): Promise<void> {
    // One turn later at least: all that is appended in this turn shares the messages.
    await round.turn.come
    if (this.#round === round) this.#round = undefined
    try {
      await this.#store(round)
    } catch (error) {
      round.reject(error)
      return
    } finally {
      round.turn.end()
    }
    for (const { offset, writer } of round.messages) this.#topic.saw(offset + writer.count)
    this.#host.countCommit()
    round.resolve()
  }

  async #store({ messages, together }: Round): Promise<void> {
    const { domain, publisher } = this.#host
    const { config, deleted } = this.#topic
    if (deleted) throw new AegisError('TOPIC_UNKNOWN', `topic ${config.name} was deleted`)
    const outgoing = messages.map(({ partition, writer }) => ({
      subject: domain.subjects.partition(config.incarnation, partition),
      data: finishMessage(writer),
    }))
    if (!together || !domain.features.transactions) {
      const sequences = await Promise.all(outgoing.map(message => publisher.publish(message)))
      for (const [at, message] of messages.entries()) message.offset = offsetOf(sequences[at]!)
      return
    }
    if (outgoing.length >= largestBatch) {
      throw new AegisError(
        'TRANSACTION_TOO_LARGE',
        `appends to topic ${config.name} need ${outgoing.length} messages at once: append less in one call`,
      )
    }
    const first = await publisher.publishAll(outgoing)
    for (const [at, message] of messages.entries()) message.offset = offsetOf(first + at)
  }
}

/** Bytes that a record may need in a batch, at most. */
export function sizeOf({ key, value, headers }: OutgoingRecord): number {
  let bytes = 64 + bytesOf(key) + bytesOf(value)
  if (headers === undefined) return bytes
  for (const header of headers) bytes += 3 * header.key.length + (header.value?.length ?? 0) + 10
  return bytes
}

const bytesOf = (part: Uint8Array | string | null | undefined): number =>
  typeof part === 'string' ? 3 * part.length : (part?.length ?? 0)
