import type { ProducerBatch, RecordPosition } from '@aegis/log'
import { decideProducerBatch, rememberedBatches } from '@aegis/log/driver'
import type { Place } from './append-plan.ts'
import type { Domain } from './domain.ts'
import { lastMessage } from './messages.ts'
import type { Append } from './optimistic-commit.ts'
import type { OutgoingMessage } from './publisher.ts'
import { offsetOf } from './record-message.ts'
import type { StoredMessage } from './stored-message.ts'
import type { Topic } from './topic.ts'

/** Neighbours in a message, with one time: the message's sequence, the place of the first, how many, the first one's version. */
type Run = [partition: number, message: number, index: number, count: number, timestamp: number, version: number]

interface Batch {
  readonly sequence: number
  readonly records: number
  readonly runs: readonly Run[]
}

/**
 * What is stored of a producer of a topic: the last message on a subject of its own, in the batch of what it has appended. Of
 * what was appended with it, the runs say by how many messages theirs is before this one: sequences are not known before.
 */
interface StoredProducer {
  readonly epoch: number
  /** The sequence number of its next record. */
  readonly next: number
  readonly batches: readonly Batch[]
  readonly latest: readonly Batch[]
}

interface Producer {
  /** Of its message; 0 when there is none. */
  readonly sequence: number
  /** `next` is -1 when nothing is known of it. */
  readonly epoch: number
  readonly next: number
  readonly batches: readonly Batch[]
  /** What the transaction appends. */
  readonly added: readonly Append[]
}

const unknown: Producer = { sequence: 0, epoch: 0, next: -1, batches: [], added: [] }

function producerOf(message: StoredMessage | undefined): Producer {
  if (message === undefined) return unknown
  const { sequence, data } = message
  const { epoch, next, batches, latest } = JSON.parse(Buffer.from(data).toString('utf8')) as StoredProducer
  const resolved = latest.map(({ runs, ...batch }) => ({
    ...batch,
    runs: runs.map(([partition, back, ...rest]): Run => [partition, sequence - back, ...rest]),
  }))
  return { sequence, epoch, next, batches: [...batches, ...resolved], added: [] }
}

/** The subject of the producer of an append, if it has one. */
export const producerSubject = ({ subjects }: Domain, { topic, producer }: Append): string | undefined =>
  producer === undefined ? undefined : subjects.producer(topic.config.incarnation, producer.id)

/** The appends of a transaction that have a producer, in one attempt to commit it: which of them are there already. */
export class ProducerAppends {
  readonly #domain: Domain
  readonly #producers = new Map<string, Producer>()
  readonly #repeats = new Map<Append, readonly RecordPosition[]>()

  private constructor(domain: Domain) {
    this.#domain = domain
  }

  /** @throws AegisError `PRODUCER_FENCED`, `PRODUCER_SEQUENCE`, `PRODUCER_DUPLICATE` */
  static async decide(domain: Domain, appends: readonly Append[]): Promise<ProducerAppends> {
    const decided = new ProducerAppends(domain)
    for (const append of appends) {
      const { producer, changes } = append
      if (producer !== undefined && changes.length > 0) await decided.#decide(append, producer)
    }
    return decided
  }

  /** Where the records of an append are, if it is there already. */
  repeat(append: Append): readonly RecordPosition[] | undefined {
    return this.#repeats.get(append)
  }

  get subjects(): Iterable<string> {
    return this.#producers.keys()
  }

  /**
   * What is stored of the producers. The first of the messages will be the `at`th of the batch; `placesOf` has the places of an
   * append's records, with their messages counted in the batch.
   */
  messages(at: number, placesOf: (append: Append) => readonly Place[]): OutgoingMessage[] {
    return [...this.#producers]
      .filter(([, { added }]) => added.length > 0)
      .map(([subject, { sequence, epoch, next, batches, added }], index) => {
        const latest = added.map((append): Batch => {
          const places = placesOf(append).map(place => ({ ...place, message: at + index - place.message }))
          return { sequence: append.producer!.sequence, records: places.length, runs: runsOf(places) }
        })
        const kept = Math.max(0, rememberedBatches - latest.length)
        const older = batches.slice(Math.max(0, batches.length - kept))
        const stored = { epoch, next, batches: older, latest: latest.slice(-rememberedBatches) }
        let data = Buffer.from(JSON.stringify(stored))
        // What has no room is not forgotten: that it is there is still known by the numbers, only not where.
        while (data.length > this.#domain.maxPayload) {
          if (stored.batches.length > 0) stored.batches.shift()
          else stored.latest.shift()
          data = Buffer.from(JSON.stringify(stored))
        }
        return { subject, data, expected: sequence }
      })
  }

  async #decide(append: Append, batch: ProducerBatch): Promise<void> {
    const { topic, changes } = append
    const subject = producerSubject(this.#domain, append)!
    const { sequence, epoch = 0 } = batch
    const producer = this.#producers.get(subject) ?? (await this.#find(subject, batch))
    const known = decideProducerBatch(topic.config.name, batch, producer.next < 0 ? undefined : producer, batches =>
      batches.find(there => there.sequence === sequence && there.records === changes.length),
    )
    if (known !== undefined) {
      this.#repeats.set(append, positionsOf(topic, known))
      return
    }
    this.#producers.set(subject, {
      sequence: producer.sequence,
      epoch,
      next: sequence + changes.length,
      batches: producer.epoch === epoch ? producer.batches : [],
      added: [...producer.added, append],
    })
  }

  /** Only on the leader's word an append is refused, or taken for a repeat. */
  async #find(subject: string, { sequence, epoch = 0 }: ProducerBatch): Promise<Producer> {
    const remembered = this.#domain.recent.find(subject)
    if (remembered !== undefined) {
      const producer = producerOf(remembered.message)
      if (producer.epoch === epoch && producer.next === sequence) return producer
      this.#domain.recent.forget(subject)
    }
    const message = await lastMessage(this.#domain, subject)
    this.#domain.recent.saw(subject, message)
    return producerOf(message)
  }
}

function runsOf(places: readonly Place[]): Run[] {
  const runs: Run[] = []
  for (const { partition, message, index, timestamp, version } of places) {
    const last = runs.at(-1)
    const follows =
      last !== undefined &&
      last[0] === partition &&
      last[1] === message &&
      last[2] + last[3] === index &&
      last[4] === timestamp &&
      last[5] + last[3] === version
    if (follows) last[3]++
    else runs.push([partition, message, index, 1, timestamp, version])
  }
  return runs
}

const positionsOf = ({ config: { name, keyed } }: Topic, { runs }: Batch): RecordPosition[] =>
  runs.flatMap(([partition, message, index, count, timestamp, version]) =>
    Array.from({ length: count }, (_, n) => ({
      topic: name,
      partition,
      offset: offsetOf(message) + index + n,
      timestamp,
      ...(keyed === 'history' && { version: version + n }),
    })),
  )
