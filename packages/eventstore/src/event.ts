import type { Untyped } from '@aegis/log'

/** What is appended: plain `{ type, data, metadata? }`. */
export interface EventInput<Type extends string = string, Data = Untyped> {
  readonly type: Type
  readonly data: Data
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/** Another form of `{ type, data, metadata? }`. */
export class Event<Type extends string = string, Data = Untyped> implements EventInput<Type, Data> {
  readonly type: Type
  readonly data: Data
  readonly metadata: Readonly<Record<string, unknown>> | undefined

  constructor(type: Type, data: Data, metadata?: Readonly<Record<string, unknown>>) {
    this.type = type
    this.data = data
    this.metadata = metadata
  }
}

/** An event as it is stored. */
export interface StoredEvent<Type extends string = string, Data = Untyped> {
  readonly id: string
  readonly type: Type
  readonly streamId: string
  /** Dense from 0 within the stream. */
  readonly version: number
  /** Rises over all streams; need not be dense. */
  readonly position: number
  readonly timestamp: number
  readonly data: Data
  readonly metadata: Readonly<Record<string, unknown>>
}
