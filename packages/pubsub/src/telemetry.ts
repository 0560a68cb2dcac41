import type { Header } from '@aegis/log'
import type { Decode, Instrumentation, Subscription } from '@aegis/subscription'
import { loadTelemetryApi, type Operation, Spans, type TelemetryApi } from '@aegis/subscription/telemetry'
import type { Attributes, Counter, Histogram, ObservableResult } from '@opentelemetry/api'
import type { Message } from './message.ts'

const scope = '@aegis/pubsub'

/**
 * Spans and metrics by OpenTelemetry's semantic conventions for messaging. It is there when an SDK was registered before
 * the `PubSub` was made; else nothing is loaded, and publishing and consuming ask for one property.
 */
export class Telemetry {
  readonly #api: TelemetryApi
  readonly #spans: Spans
  readonly #sent: Counter
  readonly #consumed: Counter
  readonly #redelivered: Counter
  readonly #deadLettered: Counter
  readonly #publishDuration: Histogram
  readonly #processDuration: Histogram

  private constructor(api: TelemetryApi) {
    this.#api = api
    this.#spans = new Spans(api, scope)
    const meter = api.metrics.getMeter(scope)
    const messages = { unit: '{message}' }
    this.#sent = meter.createCounter('messaging.client.sent.messages', messages)
    this.#consumed = meter.createCounter('messaging.client.consumed.messages', messages)
    this.#redelivered = meter.createCounter('aegis.consumer.redelivered.messages', messages)
    this.#deadLettered = meter.createCounter('aegis.consumer.dead_letter.messages', messages)
    this.#publishDuration = meter.createHistogram('messaging.client.operation.duration', { unit: 's' })
    this.#processDuration = meter.createHistogram('messaging.process.duration', { unit: 's' })
  }

  /** `undefined` without an SDK. */
  static load(): Telemetry | undefined {
    const api = loadTelemetryApi()
    return api === undefined ? undefined : new Telemetry(api)
  }

  /** A producer's span around `publish`, until what it publishes is durable. */
  publishing<T>(topic: string, count: number, publish: () => Promise<T>): Promise<T> {
    const attributes = attributesOf('publish', 'send', topic)
    const operation: Operation = {
      name: `publish ${topic}`,
      kind: this.#api.SpanKind.PRODUCER,
      attributes,
      more: count === 1 ? {} : { 'messaging.batch.message_count': count },
      duration: this.#publishDuration,
      parent: this.#api.context.active(),
    }
    const published = this.#spans.around(operation, publish)
    return Promise.resolve(published).then(result => {
      this.#sent.add(count, attributes)
      return result
    })
  }

  /** The headers of a message with the context in which it is published; one that the user has given stays. */
  withContext(headers: readonly Header[] | undefined): readonly Header[] | undefined {
    const all = [...(headers ?? [])]
    const set = (_: unknown, key: string, value: string): void => {
      if (!all.some(header => header.key === key)) all.push({ key, value: Buffer.from(value) })
    }
    this.#api.propagation.inject(this.#api.context.active(), undefined, { set })
    return all.length > 0 ? all : headers
  }

  /** Counts the messages that are handed over. */
  counting<T>(decode: Decode<Message<T>>, groupId: string | undefined): Decode<Message<T>> {
    return (record, delivered) => {
      const message = decode(record, delivered)
      if (message === undefined) return undefined
      const attributes = attributesOf('receive', 'receive', message.topic, groupId)
      this.#consumed.add(1, attributes)
      if (message.attempts > 1) this.#redelivered.add(1, attributes)
      return message
    }
  }

  /**
   * A consumer's span for each message: around the handler of `run`; of a loop from when it is handed over until it is settled. Its
   * parent is whoever has published the message, and it is linked to that as the conventions want it of all who process.
   */
  processing<T>(groupId: string | undefined): Instrumentation<Message<T>> {
    return this.#spans.ofItems(message => this.#processOf(message, groupId))
  }

  #processOf({ topic, partition, offset, messageId, headers }: Message<unknown>, groupId?: string): Operation {
    const { propagation, context, trace, ROOT_CONTEXT, SpanKind } = this.#api
    const publisher = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers))
    return {
      name: `process ${topic}`,
      kind: SpanKind.CONSUMER,
      attributes: attributesOf('process', 'process', topic, groupId),
      more: {
        'messaging.destination.partition.id': String(partition),
        'messaging.message.id': messageId ?? `${topic}/${partition}/${offset}`,
      },
      duration: this.#processDuration,
      parent: propagation.extract(context.active(), headers),
      links: publisher === undefined ? [] : [{ context: publisher }],
    }
  }

  /** Reports the lag of a group's subscription, and its dead letters, until it is closed. */
  watch(groupId: string, subscription: Subscription<unknown>): void {
    const gauge = this.#api.metrics.getMeter(scope).createObservableGauge('aegis.consumer.lag', { unit: '{message}' })
    const observe = async (result: ObservableResult): Promise<void> => {
      for (const { topic, partition, lag } of await subscription.lag()) {
        result.observe(lag, {
          ...attributesOf('receive', 'receive', topic, groupId),
          'messaging.destination.partition.id': String(partition),
        })
      }
    }
    gauge.addCallback(observe)
    subscription.onClose(() => gauge.removeCallback(observe))
    void this.#countDeadLetters(groupId, subscription)
  }

  async #countDeadLetters(groupId: string, subscription: Subscription<unknown>): Promise<void> {
    for await (const status of subscription.status()) {
      if (status.type !== 'dead-lettered') continue
      this.#deadLettered.add(1, attributesOf('receive', 'receive', status.topic, groupId))
    }
  }
}

function attributesOf(name: string, type: string, topic: string, groupId?: string): Attributes {
  return {
    'messaging.system': 'aegis',
    'messaging.operation.name': name,
    'messaging.operation.type': type,
    'messaging.destination.name': topic,
    ...(groupId !== undefined && { 'messaging.consumer.group.name': groupId }),
  }
}
