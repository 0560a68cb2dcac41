import type { Attributes, Context, Histogram, Link, SpanKind, Tracer } from '@opentelemetry/api'

export type Api = typeof import('@opentelemetry/api')

/** An operation that is watched: a span, and how long it took in a histogram. */
export interface Operation {
  readonly kind: SpanKind
  /** Of span and histogram; they have the name and the topic of the operation. */
  readonly attributes: Attributes
  /** Of the span alone. */
  readonly more: Attributes
  readonly duration: Histogram
  /** In which it happens; the span is a child of its span. */
  readonly parent: Context
  readonly links?: Link[]
}

/** Begins and ends spans. */
export class Spans {
  readonly #api: Api
  readonly #tracer: Tracer

  constructor(api: Api, scope: string) {
    this.#api = api
    this.#tracer = api.trace.getTracer(scope)
  }

  /** `end` is to be called once, with what went wrong if something did. */
  begin({ kind, attributes, more, duration, parent, links = [] }: Operation): {
    readonly context: Context
    end(error?: unknown): void
  } {
    const { trace, SpanStatusCode } = this.#api
    const name = `${attributes['messaging.operation.name']} ${attributes['messaging.destination.name']}`
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
        duration.record((performance.now() - began) / 1000, { ...attributes, ...failed })
        span.end()
      },
    }
  }

  /** Around some work, in the context of the span; it ends with the work. */
  around<R>(operation: Operation, work: () => R): R {
    const { context, end } = this.begin(operation)
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
}

const typeOf = (error: unknown): string =>
  error instanceof Error ? ('code' in error && typeof error.code === 'string' ? error.code : error.name) : '_OTHER'
