import type { Log, Transaction } from '@aegis/log'
import type { StoredEvent } from './event.ts'
import { eventFilter } from './event-filter.ts'
import { forgottenBy } from './forgetting.ts'
import { functions } from './invalid.ts'
import type { BindableProjection, Projection } from './projection.ts'
import { forgottenStream } from './streams/stream-id.ts'

interface Inline {
  takes(event: StoredEvent): boolean
  apply(event: StoredEvent, tx: Transaction): Promise<void> | void
}

interface StreamInline extends Inline {
  stream(streamId: string): boolean
}

/** The projections that are applied with each append. */
export class InlineProjections {
  readonly #projections: readonly StreamInline[]

  constructor(log: Log, projections: readonly (Projection | BindableProjection)[]) {
    this.#projections = projections.flatMap(given => {
      const projection = 'bind' in given ? given.bind(log) : given
      functions(`projection ${projection.name}`, projection, 'apply')
      const { stream, event } = eventFilter(projection)
      const forgetting: StreamInline = {
        stream: streamId => streamId === forgottenStream && projection.forget !== undefined,
        takes: taken => forgottenBy(taken) !== undefined,
        apply: (taken, tx) => projection.forget?.(forgottenBy(taken)!, tx),
      }
      return [{ stream, takes: event, apply: (taken, tx) => projection.apply(taken, tx) }, forgetting]
    })
  }

  /** Those that may take events of a stream. */
  of(streamId: string): readonly Inline[] {
    return this.#projections.length === 0 ? [] : this.#projections.filter(({ stream }) => stream(streamId))
  }
}
