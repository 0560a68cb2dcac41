import type { Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Metadata } from './event.ts'

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

interface Step {
  readonly to: number
  readonly upcast: Upcaster['upcast']
}

/** All upcasters of a store, chained. */
export class UpcasterChain {
  readonly #steps = new Map<string, Step>()
  readonly #newest = new Map<string, number>()

  /** @throws AegisError `EVENT_INVALID` when two take the same, or one leads nowhere newer */
  constructor(upcasters: readonly Upcaster[]) {
    for (const { type, from = 0, to = from + 1, upcast } of upcasters) {
      const key = `${from} ${type}`
      const refuse = (why: string): never => {
        throw new AegisError('EVENT_INVALID', `upcaster of ${type} from schema version ${from}: ${why}`)
      }
      if (!Number.isSafeInteger(from) || from < 0 || !Number.isSafeInteger(to) || to <= from)
        refuse(`give whole numbers, from at least 0 and to (${to}) above it`)
      if (this.#steps.has(key)) refuse('there is another one, give one')
      this.#steps.set(key, { to, upcast })
      this.#newest.set(type, Math.max(to, this.#newest.get(type) ?? 0))
    }
  }

  /** The schema version with which events of a type are stored now. */
  newest(type: string): number {
    return this.#newest.get(type) ?? 0
  }

  /** The event as it is of the newest schema. */
  upcast(event: EventBody, schemaVersion: number): EventBody {
    let body = event
    let version = schemaVersion
    for (let step = this.#step(body, version); step !== undefined; step = this.#step(body, version)) {
      body = { ...body, ...step.upcast(body) }
      version = step.to
    }
    return body
  }

  #step({ type }: EventBody, version: number): Step | undefined {
    return this.#steps.size === 0 ? undefined : this.#steps.get(`${version} ${type}`)
  }
}
