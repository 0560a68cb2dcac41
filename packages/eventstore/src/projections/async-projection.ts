import type { Transaction, Untyped } from '@aegis/log'
import type { EventInput, StoredEvent } from '../event.ts'
import type { EventFilter } from '../event-filter.ts'
import { functions, wholeNumber } from '../invalid.ts'
import { checkDefinition } from '../processors/definition.ts'
import type { OnError } from '../processors/event-processor.ts'
import { type Documents, DocumentWriter } from './documents.ts'

/** Where a projection writes: `Documents`, a table of `@aegis/cdc`, or whatever has these two. */
export interface ReadModel<Writer = Untyped> {
  within(tx: Transaction): Writer
  /** Deletes everything: the model is of a build that nobody reads any more. */
  truncate(): Promise<void>
}

/** Deletes from a model what is of a subject: by itself where it knows (`PutOptions.subject`), and by the projection's `forget`. */
export async function forgetIn(
  projection: AsyncProjection<Untyped, Untyped>,
  subject: string,
  writer: unknown,
  tx: Transaction,
): Promise<void> {
  if (writer instanceof DocumentWriter) await writer.forget(subject)
  await projection.forget?.(subject, writer, tx)
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
  /**
   * Deletes what the model has of a subject whom a `Privacy` has forgotten: called once, in the order of the events, in the commit
   * of the position. In events that are applied afterwards, and in each rebuild, their private data is absent. Documents that were put
   * with their `subject` are deleted before; this is for what else there is.
   */
  forget?(subject: string, model: ReturnType<Model['within']>, tx: Transaction): Promise<void> | void
}

/** @throws AegisError `EVENT_INVALID` */
export function checkProjection(projection: AsyncProjection<Untyped, Untyped>): void {
  checkDefinition('projection', projection)
  wholeNumber(`version of projection ${projection.name}`, projection.version)
  functions(`projection ${projection.name}`, projection, 'apply')
}
