import { createRequire } from 'node:module'
import type { Header } from '@aegis/log'
import type { Decode, Subscription } from '@aegis/subscription'
import type { Attributes, Context, Counter, Histogram, ObservableResult, Tracer } from '@opentelemetry/api'
import type { Message } from './message.ts'

type Api = typeof import('@opentelemetry/api')

// Where version 1 of the OpenTelemetry API keeps the SDK that was registered: without one there is nothing to load.
const registration = Symbol.for('opentelemetry.js.api.1')
const scope = '@aegis/pubsub'

/**
 * Spans and metrics by OpenTelemetry's semantic conventions for messaging. It is there when an SDK was registered before
 * the `PubSub` was made; else nothing is loaded, and publishing and consuming ask for one property.
 */
export class Telemetry {
  readonly #api: Api
  readonly #tracer: Tracer
  readonly #sent: Counter
  readonly #consumed: Counter
  readonly #redelivered: Counter
  readonly #deadLettered: Counter
  readonly #publishDuration: Histogram
  readonly #processDuration: Histogram

  private constructor(api: Api) {
    this.#api = api
    this.#tracer = api.trace.getTracer(scope)
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
    if (Reflect.get(globalThis, registration) === undefined) return undefined
    try {
      const api: Api = createRequire(import.meta.url)('@opentelemetry/api')
      return new Telemetry(api)
    } catch (error) {
      process.emitWarning(`an OpenTelemetry SDK is there and cannot be used: ${String(error)}`, {
        code: 'AEGIS_TELEMETRY',
      })
      return undefined
    }
  }

  /** A producer's span around `publish`, until what it publishes is durable. */
  publishing<T>(topic: string, count: number, publish: () => Promise<T>): Promise<T> {
    const attributes = attributesOf('publish', 'send', topic)
    const more = count === 1 ? {} : { 'messaging.batch.message_count': count }
    const measured = this.#measured(attributes, this.#publishDuration, this.#api.SpanKind.PRODUCER, more)
    const published = measured(this.#api.context.active(), publish)
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

  /** A consumer's span around its handler, in the context of whoever has published the message. */
  handling(
    message: Message<unknown>,
    groupId: string | undefined,
    handle: () => Promise<void> | void,
  ): Promise<void> | void {
    const { propagation, context, SpanKind } = this.#api
    const { topic, partition, offset, messageId } = message
    const measured = this.#measured(
      attributesOf('process', 'process', topic, groupId),
      this.#processDuration,
      SpanKind.CONSUMER,
      {
        'messaging.destination.partition.id': String(partition),
        'messaging.message.id': messageId ?? `${topic}/${partition}/${offset}`,
      },
    )
    return measured(propagation.extract(context.active(), message.headers), handle)
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

  #measured(
    attributes: Attributes,
    duration: Histogram,
    kind: number,
    more: Attributes,
  ): <R>(parent: Context, work: () => R) => R {
    const { trace, context, SpanStatusCode } = this.#api
    return (parent, work) => {
      const name = `${attributes['messaging.operation.name']} ${attributes['messaging.destination.name']}`
      const span = this.#tracer.startSpan(name, { kind, attributes: { ...attributes, ...more } }, parent)
      const began = performance.now()
      const end = (error?: unknown): void => {
        const failed = error === undefined ? {} : { 'error.type': typeOf(error) }
        if (error !== undefined) {
          span.setAttributes(failed)
          span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) })
        }
        duration.record((performance.now() - began) / 1000, { ...attributes, ...failed })
        span.end()
      }
      try {
        const result = context.with(trace.setSpan(parent, span), work)
        if (!(result instanceof Promise)) {
          end()
          return result
        }
        result.then(() => end(), end)
        return result
      } catch (error) {
        end(error)
        throw error
      }
    }
  }
}

const typeOf = (error: unknown): string =>
  error instanceof Error ? ('code' in error && typeof error.code === 'string' ? error.code : error.name) : '_OTHER'

function attributesOf(name: string, type: string, topic: string, groupId?: string): Attributes {
  return {
    'messaging.system': 'aegis',
    'messaging.operation.name': name,
    'messaging.operation.type': type,
    'messaging.destination.name': topic,
    ...(groupId !== undefined && { 'messaging.consumer.group.name': groupId }),
  }
}
