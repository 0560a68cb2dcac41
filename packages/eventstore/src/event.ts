import type { Untyped } from '@aegis/log'

/** What the user knows about an event beside its data: JSON values. `correlationId` and `causationId` have their usual meaning. */
export type Metadata = Readonly<Record<string, unknown>>

/** What is appended: plain `{ type, data, metadata? }`. */
export interface EventInput<Type extends string = string, Data = Untyped> {
  readonly type: Type
  readonly data: Data
  readonly metadata?: Metadata | undefined
  /**
   * Makes the append repeatable: if the stream has an event of this id, it is not appended again. Give each event of an
   * append one, or none, in which case the store gives them.
   */
  readonly id?: string | undefined
}

/**
 * Another form of `{ type, data, metadata? }`. As a type it takes either: `type AccountEvent = Event<'Opened', { owner: string }> |
 * Event<'Deposited', { amount: number }>`.
 */
export class Event<Type extends string = string, Data = Untyped> implements EventInput<Type, Data> {
  readonly type: Type
  readonly data: Data
  readonly metadata?: Metadata | undefined
  readonly id?: string | undefined

  constructor(type: Type, data: Data, metadata?: Metadata, id?: string) {
    this.type = type
    this.data = data
    this.metadata = metadata
    this.id = id
  }
}

/** What the store knows about an event. */
export interface StoredFields {
  /** Unique within the stream; a UUID unless it was given. */
  readonly id: string
  readonly streamId: string
  /** Dense from 0 within the stream. */
  readonly version: number
  /** Rises over all streams; need not be dense. */
  readonly position: number
  /** When it was committed, milliseconds since the epoch. */
  readonly timestamp: number
  readonly metadata: Metadata
}

/** An event as it is stored. Of a union of events: the union of them stored, told apart by `type`. */
export type StoredEvent<E extends EventInput = EventInput> =
  E extends EventInput<infer Type, infer Data> ? StoredFields & { readonly type: Type; readonly data: Data } : never
