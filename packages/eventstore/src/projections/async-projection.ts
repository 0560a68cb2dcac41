import type { Transaction, Untyped } from '@aegis/log'
import type { EventInput, StoredEvent } from '../event.ts'
import { type EventFilter, eventFilter } from '../event-filter.ts'
import { invalid, wholeNumber } from '../invalid.ts'
import type { OnError } from '../processors/event-processor.ts'
import type { Documents } from './documents.ts'

/** Where a projection writes: `Documents`, a table of `@aegis/cdc`, or whatever has these two. */
export interface ReadModel<Writer = Untyped> {
  within(tx: Transaction): Writer
  /** Deletes everything: the model is of a build that nobody reads any more. */
  truncate(): Promise<void>
}

/**
 * What events mean for those who read: a projection that follows the events by itself. Each event is applied once: what
 * it changes in the read model and the position behind it are one commit.
 */
export interface AsyncProjection<E extends EventInput = EventInput, Model extends ReadModel = Documents>
  extends EventFilter<E> {
  readonly name: string
  /** Another one than that of the stored read model has it built anew. Default 1. */
  readonly version?: number
  /** Default `'stop'`. `'skip'`: an event that cannot be applied is left out and noted. */
  readonly onError?: OnError
  /**
   * The read model of a build; builds are numbered from 1, and two of them must not share anything:
   * `` build => cdc.table(`balances_${build}`, { primaryKey: 'id' }) ``. Default: documents in a key space of the log.
   */
  into?(build: number): Promise<Model> | Model
  /**
   * Writes what the event means into the model; other writes with `tx` are in the same commit. May be run again, and is
   * for each build, so it should have no other effects.
   */
  apply(event: StoredEvent<E>, model: ReturnType<Model['within']>, tx: Transaction): Promise<void> | void
}

/** @throws AegisError `EVENT_INVALID` */
export function checkProjection({
  name,
  version,
  onError = 'stop',
  ...filter
}: AsyncProjection<Untyped, Untyped>): void {
  if (typeof name !== 'string' || name === '' || name.length > 200 || !name.isWellFormed())
    throw invalid(`name of a projection is ${JSON.stringify(name)}: give well-formed text of 1 to 200 characters`)
  wholeNumber(`version of projection ${name}`, version)
  if (!['stop', 'skip'].includes(onError))
    throw invalid(`onError of projection ${name} is ${JSON.stringify(onError)}: give 'stop' or 'skip'`)
  eventFilter(filter)
}
