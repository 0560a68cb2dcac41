import type { Instrumentation } from '@aegis/subscription'
import { loadTelemetryApi, type Operation, Spans, type TelemetryApi } from '@aegis/subscription/telemetry'
import type { Context } from '@opentelemetry/api'
import type { Metadata, StoredEvent } from './event.ts'
import { eventsTopic } from './event-codec.ts'

/**
 * Takes the context of a trace from who appends to who handles, in the metadata of events. It is there when an OpenTelemetry SDK was
 * registered before the store was made; else nothing is loaded.
 */
export class TraceContext {
  readonly #api: TelemetryApi
  readonly #spans: Spans

  private constructor(api: TelemetryApi) {
    this.#api = api
    this.#spans = new Spans(api, '@aegis/eventstore')
  }

  /** `undefined` without an SDK. */
  static load(): TraceContext | undefined {
    const api = loadTelemetryApi()
    return api === undefined ? undefined : new TraceContext(api)
  }

  /** The context in which it is called, as metadata. */
  current(): Metadata | undefined {
    const { propagation, context } = this.#api
    const carried: Record<string, string> = {}
    propagation.inject(context.active(), carried)
    return Object.keys(carried).length === 0 ? undefined : carried
  }

  /** Does something in the context in which an event was appended. */
  within<R>({ metadata }: Pick<StoredEvent, 'metadata'>, work: () => R): R {
    return this.#api.context.with(this.#of(metadata), work)
  }

  /** A consumer's span for each event, a child of who has appended it. */
  processing(groupId: string | undefined): Instrumentation<StoredEvent> {
    return this.#spans.ofItems(event => this.#processOf(event, groupId))
  }

  #of(metadata: Metadata): Context {
    const { propagation, context } = this.#api
    return propagation.extract(context.active(), metadata)
  }

  #processOf({ id, type, streamId, version, metadata }: StoredEvent, groupId: string | undefined): Operation {
    return {
      name: `process ${type}`,
      kind: this.#api.SpanKind.CONSUMER,
      attributes: {
        'messaging.system': 'aegis',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': eventsTopic,
        'messaging.message.id': id,
        ...(groupId !== undefined && { 'messaging.consumer.group.name': groupId }),
        'aegis.event.type': type,
        'aegis.event.stream': streamId,
        'aegis.event.version': version,
      },
      parent: this.#of(metadata),
    }
  }
}
