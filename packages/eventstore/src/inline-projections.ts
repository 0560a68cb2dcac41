import type { Transaction } from '@aegis/log'
import type { StoredEvent } from './event.ts'
import { eventFilter } from './event-filter.ts'
import type { Projection } from './projection.ts'

interface Inline {
  takes(event: StoredEvent): boolean
  apply(event: StoredEvent, tx: Transaction): Promise<void> | void
}

/** The projections that are applied with each append. */
export class InlineProjections {
  readonly #projections: readonly (Inline & { stream(streamId: string): boolean })[]

  constructor(projections: readonly Projection[]) {
    this.#projections = projections.map(projection => {
      const { stream, event } = eventFilter(projection)
      return { stream, takes: event, apply: (taken, tx) => projection.apply(taken, tx) }
    })
  }

  /** Those that may take events of a stream. */
  of(streamId: string): readonly Inline[] {
    return this.#projections.length === 0 ? [] : this.#projections.filter(({ stream }) => stream(streamId))
  }
}
