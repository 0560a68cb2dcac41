import type { Untyped } from '@aegis/log'
import type { Metadata } from './event.ts'
import { invalid } from './invalid.ts'

/** What of an event a change of its schema can touch. */
export interface EventBody {
  readonly type: string
  readonly data: Untyped
  readonly metadata: Metadata
}

/**
 * Makes an event of an older schema one of a newer. Events are stored with the newest schema version of their type, 0
 * where there are no upcasters, and read as if they had always been of the newest.
 */
export interface Upcaster {
  /** Type of the event as it is stored. */
  readonly type: string
  /** The schema version that it takes. Default 0. */
  readonly from?: number
  /** The schema version that it gives. Default: the one after `from`. */
  readonly to?: number
  /** What it leaves out stays; another `type` renames the event, and the upcasters of that type go on from `to`. */
  upcast(event: EventBody): Partial<EventBody>
}

/**
 * Makes an event of a newer schema one of an older when it is appended, for as long as programs that know only the older
 * one read the store. Upcasters make it one of the newest again when it is read here.
 */
export interface Downcaster {
  /** Type of the event as it is appended. */
  readonly type: string
  /** The schema version that it takes. Default: the newest of the type. */
  readonly from?: number
  /** The schema version that it gives: of the other type, where it renames the event. Default: the one before `from`. */
  readonly to?: number
  /** What it leaves out stays; another `type` renames the event, and the downcasters of that type go on from `to`. */
  downcast(event: EventBody): Partial<EventBody>
}

export interface SchemaChange {
  /** How events of older schemas become such of the newest. */
  upcasters?: readonly Upcaster[]
  /** How events are stored for older programs. */
  downcasters?: readonly Downcaster[]
}

interface Step {
  readonly to: number
  readonly cast: (event: EventBody) => Partial<EventBody>
}

type Steps = Map<string, Step>

/** The changes of schemas that a store knows, chained. */
export class Schemas {
  readonly #up: Steps = new Map()
  readonly #down: Steps = new Map()
  readonly #newest = new Map<string, number>()

  /** @throws AegisError `EVENT_INVALID` when two take the same, or one leads nowhere newer or older */
  constructor({ upcasters = [], downcasters = [] }: SchemaChange) {
    for (const { type, from = 0, to = from + 1, upcast } of upcasters) {
      if (!isVersion(from) || !isVersion(to) || to <= from)
        throw invalid(`upcaster of ${type} from ${from} to ${to}: give schema versions, whole numbers that rise`)
      add(this.#up, 'upcaster', type, from, to, upcast)
      this.#newest.set(type, Math.max(to, this.newest(type)))
    }
    for (const { type, from = this.newest(type), to = from - 1, downcast } of downcasters) {
      if (!isVersion(from) || !isVersion(to))
        throw invalid(`downcaster of ${type} from ${from} to ${to}: give schema versions, whole numbers from 0`)
      add(this.#down, 'downcaster', type, from, to, downcast)
    }
  }

  /** Whether events of some type may be read otherwise than they are stored. */
  get upcasts(): boolean {
    return this.#up.size > 0
  }

  /** Whether events of some type are stored otherwise than they are appended. */
  get downcasts(): boolean {
    return this.#down.size > 0
  }

  /** The newest schema version of a type. */
  newest(type: string): number {
    return this.#newest.get(type) ?? 0
  }

  /** The event as it is of the newest schema. */
  upcast(event: EventBody, version: number): EventBody {
    return run(this.#up, event, version).event
  }

  /** The event as it is stored, and the schema version that it has then. */
  downcast(event: EventBody): { readonly event: EventBody; readonly version: number } {
    return run(this.#down, event, this.newest(event.type))
  }
}

const isVersion = (version: number): boolean => Number.isSafeInteger(version) && version >= 0

function add(steps: Steps, kind: string, type: string, from: number, to: number, cast: Step['cast']): void {
  const key = `${from} ${type}`
  if (steps.has(key)) throw invalid(`${kind} of ${type} from schema version ${from}: there is another one, give one`)
  if (typeof cast !== 'function') throw invalid(`${kind} of ${type}: give its function`)
  steps.set(key, { to, cast })
}

function run(steps: Steps, event: EventBody, version: number): { event: EventBody; version: number } {
  const first = event.type
  let taken = 0
  for (let step = steps.get(`${version} ${event.type}`); step !== undefined; ) {
    if (++taken > steps.size) throw invalid(`the changes of event type ${first} lead back to where they began`)
    const { type, data, metadata } = event
    event = { type, data, metadata, ...step.cast({ type, data, metadata }) }
    version = step.to
    step = steps.get(`${version} ${event.type}`)
  }
  return { event, version }
}
