import type { Log, Transaction } from '@aegis/log'
import type { EventInput, StoredEvent } from './event.ts'
import type { EventFilter } from './event-filter.ts'

/**
 * What events mean for something else that is stored: rows, messages, keys. Inline, it is applied in the transaction of
 * the append: what it writes is there when the event is, and a throw refuses the append; the `position` of an event is -1
 * then, for the commit decides it.
 */
export interface Projection<E extends EventInput = EventInput> extends EventFilter<E> {
  readonly name: string
  /** Writes what the event means into the transaction; may be run again, so it should have no other effects. */
  apply(event: StoredEvent<E>, tx: Transaction): Promise<void> | void
  /** Deletes what it has written of a subject, in the transaction in which a `Privacy` forgets them. */
  forget?(subject: string, tx: Transaction): Promise<void> | void
}

/** An inline projection that needs to know the log: one made by `inline` of `@aegis/eventstore/projections`. */
export interface BindableProjection {
  /** Called by the store that it is given to. */
  bind(log: Log): Projection
}
