import { createRequire } from 'node:module'
import type { Attributes, Context, Histogram, Link, SpanKind, Tracer } from '@opentelemetry/api'
import type { Instrumentation } from './instrumentation.ts'

/** The OpenTelemetry API. */
export type TelemetryApi = typeof import('@opentelemetry/api')

// Where version 1 of the OpenTelemetry API keeps the SDK that was registered: without one there is nothing to load.
const registration = Symbol.for('opentelemetry.js.api.1')

/** The OpenTelemetry API where a program has registered an SDK by now; `undefined` else, and then nothing is loaded. */
export function loadTelemetryApi(): TelemetryApi | undefined {
  if (Reflect.get(globalThis, registration) === undefined) return undefined
  try {
    return createRequire(import.meta.url)('@opentelemetry/api')
  } catch (error) {
    process.emitWarning(`an OpenTelemetry SDK is there and cannot be used: ${String(error)}`, {
      code: 'AEGIS_TELEMETRY',
    })
    return undefined
  }
}

/** An operation that is watched: a span, and how long it took in a histogram if there is one. */
export interface Operation {
  /** Of the span. */
  readonly name: string
  readonly kind: SpanKind
  /** Of span and histogram. */
  readonly attributes: Attributes
  /** Of the span alone. */
  readonly more?: Attributes
  /** In seconds. */
  readonly duration?: Histogram
  /** In which it happens; the span is a child of its span. */
  readonly parent: Context
  readonly links?: Link[]
}

/** Begins and ends spans. */
export class Spans {
  readonly #api: TelemetryApi
  readonly #tracer: Tracer

  /** `scope` is the package that they are told of. */
  constructor(api: TelemetryApi, scope: string) {
    this.#api = api
    this.#tracer = api.trace.getTracer(scope)
  }

  /** Around some work, in the context of the span; it ends with the work. */
  around<R>(operation: Operation, work: () => R): R {
    const { context, end } = this.#begin(operation)
    try {
      const result = this.#api.context.with(context, work)
      if (result instanceof Promise) result.then(() => end(), end)
      else end()
      return result
    } catch (error) {
      end(error)
      throw error
    }
  }

  /** For each item that a subscription hands over: around the handler of `run`; of a loop from when it is handed over until it is settled. */
  ofItems<Item>(operationOf: (item: Item) => Operation): Instrumentation<Item> {
    return {
      handling: (item, handle) => this.around(operationOf(item), handle),
      handedOver: item => this.#begin(operationOf(item)).end,
    }
  }

  /** `end` is to be called once, with what went wrong if something did. */
  #begin({ name, kind, attributes, more, duration, parent, links = [] }: Operation): {
    readonly context: Context
    end(error?: unknown): void
  } {
    const { trace, SpanStatusCode } = this.#api
    const span = this.#tracer.startSpan(name, { kind, attributes: { ...attributes, ...more }, links }, parent)
    const began = performance.now()
    return {
      context: trace.setSpan(parent, span),
      end(error) {
        const failed = error === undefined ? {} : { 'error.type': typeOf(error) }
        if (error !== undefined) {
          span.setAttributes(failed)
          span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) })
        }
        duration?.record((performance.now() - began) / 1000, { ...attributes, ...failed })
        span.end()
      },
    }
  }
}

const typeOf = (error: unknown): string =>
  error instanceof Error ? ('code' in error && typeof error.code === 'string' ? error.code : error.name) : '_OTHER'
