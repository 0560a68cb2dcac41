import type { AppendOptions, OutgoingRecord, ProducerBatch, Receipt, RecordPosition } from '@aegis/log'
import { checkedRecords, checkRecord } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import type { KeyedWriter } from './keyed-writer.ts'
import type { RunningHost } from './run-transaction.ts'
import type { Topic } from './topic.ts'
import { TopicWriter } from './topic-writer.ts'
import { JetStreamTransaction } from './transaction.ts'

/** The ways of a record into its topic: with others in one message, on top of its key, or with what is known of its producer. */
export class Appends {
  readonly #host: RunningHost
  readonly #keyed: KeyedWriter
  readonly #writers = new Map<Topic, TopicWriter>()

  constructor(host: RunningHost, keyed: KeyedWriter) {
    this.#host = host
    this.#keyed = keyed
  }

  /** @throws AegisError when the records cannot be appended; what is refused later rejects */
  append(
    topic: Topic,
    records: OutgoingRecord | readonly OutgoingRecord[],
    { expected = 'any', producer }: AppendOptions,
  ): Promise<Receipt> {
    if (producer !== undefined) return this.#once(topic, records, { expected, producer })
    const checked = checkedRecords(topic, records)
    if (topic.config.keyed === 'none' && expected === 'any') return this.#writer(topic).append(checked)
    return this.#host.track(this.#keyed.append(topic, checked, expected).finally(() => this.#host.countCommit()))
  }

  /** @throws AegisError as `append` */
  appendOne(topic: Topic, record: OutgoingRecord): Promise<RecordPosition> {
    if (topic.config.keyed !== 'none') {
      return this.append(topic, record, {}).then(({ positions }) => positions[0]!)
    }
    checkRecord(topic, record)
    return this.#writer(topic).appendOne(record)
  }

  topicDeleted(topic: Topic): void {
    this.#writers.delete(topic)
  }

  /** In a batch with what is known of the producer, so that a repeat is recognised, however late. */
  #once(
    { config: { name } }: Topic,
    records: OutgoingRecord | readonly OutgoingRecord[],
    options: AppendOptions & { readonly producer: ProducerBatch },
  ): Promise<Receipt> {
    const { transactions, version } = this.#host.domain.features
    if (!transactions) {
      throw new AegisError(
        'LOG_INVALID',
        `producer: repeats are recognised with nats-server 2.12 or later, and this one is ${version} (capabilities.repeats)`,
      )
    }
    const transaction = new JetStreamTransaction(this.#host, false)
    const receipt = transaction.append(name, records, options)
    // At once, so that it is in its place among the calls.
    return this.#host.track(transaction.commit()).then(() => receipt)
  }

  #writer(topic: Topic): TopicWriter {
    let writer = this.#writers.get(topic)
    if (writer === undefined) this.#writers.set(topic, (writer = new TopicWriter(this.#host, topic)))
    return writer
  }
}
