import { createRequire } from 'node:module'
import type { Instrumentation } from '@aegis/subscription'
import type { Context, Span } from '@opentelemetry/api'
import type { Metadata, StoredEvent } from './event.ts'
import { eventsTopic } from './event-codec.ts'

type Api = typeof import('@opentelemetry/api')

// Where version 1 of the OpenTelemetry API keeps the SDK that was registered: without one there is nothing to load.
const registration = Symbol.for('opentelemetry.js.api.1')

/**
 * Takes the context of a trace from who appends to who handles, in the metadata of events. It is there when an OpenTelemetry SDK was
 * registered before the store was made; else nothing is loaded.
 */
export class TraceContext {
  readonly #api: Api

  private constructor(api: Api) {
    this.#api = api
  }

  /** `undefined` without an SDK. */
  static load(): TraceContext | undefined {
    if (Reflect.get(globalThis, registration) === undefined) return undefined
    try {
      const api: Api = createRequire(import.meta.url)('@opentelemetry/api')
      return new TraceContext(api)
    } catch (error) {
      process.emitWarning(`an OpenTelemetry SDK is there and cannot be used: ${String(error)}`, {
        code: 'AEGIS_TELEMETRY',
      })
      return undefined
    }
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

  /** A consumer's span around the handler of `run`, a child of who has appended the event. */
  processing(groupId: string | undefined): Instrumentation<StoredEvent> {
    return {
      handling: (event, handle) => {
        const { trace, context } = this.#api
        const parent = this.#of(event.metadata)
        const span = this.#begin(event, groupId, parent)
        try {
          const result = context.with(trace.setSpan(parent, span), handle)
          if (result instanceof Promise)
            result.then(
              () => span.end(),
              error => this.#failed(span, error),
            )
          else span.end()
          return result
        } catch (error) {
          this.#failed(span, error)
          throw error
        }
      },
      handedOver: event => {
        const span = this.#begin(event, groupId, this.#of(event.metadata))
        return refused => (refused === undefined ? span.end() : this.#failed(span, refused))
      },
    }
  }

  #of(metadata: Metadata): Context {
    const { propagation, context } = this.#api
    return propagation.extract(context.active(), metadata)
  }

  #begin({ id, type, streamId, version }: StoredEvent, groupId: string | undefined, parent: Context): Span {
    const { trace, SpanKind } = this.#api
    const attributes = {
      'messaging.system': 'aegis',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': eventsTopic,
      'messaging.message.id': id,
      ...(groupId !== undefined && { 'messaging.consumer.group.name': groupId }),
      'aegis.event.type': type,
      'aegis.event.stream': streamId,
      'aegis.event.version': version,
    }
    return trace
      .getTracer('@aegis/eventstore')
      .startSpan(`process ${type}`, { kind: SpanKind.CONSUMER, attributes }, parent)
  }

  #failed(span: Span, error: unknown): void {
    const type = error instanceof Error ? error.name : '_OTHER'
    span.setAttributes({ 'error.type': type })
    span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: String(error) })
    span.end()
  }
}
