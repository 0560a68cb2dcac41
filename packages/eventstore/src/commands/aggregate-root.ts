import type { Untyped } from '@aegis/log'
import type { EventInput } from '../event.ts'

/** For those who keep aggregates: not for users, who would have to call it at the right moment. */
interface Keeping {
  apply(aggregate: AggregateRoot<Untyped>, event: EventInput): void
  committed(aggregate: AggregateRoot<Untyped>, version: number): void
  restored(aggregate: AggregateRoot<Untyped>, version: number): void
}
export let keeping: Keeping

/** State that follows from events. The constructor never replays: field initialisers would overwrite the state. */
export abstract class AggregateRoot<E extends EventInput = EventInput> {
  #version = -1
  #uncommitted: E[] = []

  static {
    keeping = {
      apply(aggregate, event) {
        aggregate.apply(event)
        // A stored event knows its version: a stream that was truncated does not begin at 0.
        aggregate.#version = 'version' in event ? Number(event.version) : aggregate.#version + 1
      },
      committed(aggregate, version) {
        aggregate.#version = version
        aggregate.#uncommitted = []
      },
      restored(aggregate, version) {
        aggregate.#version = version
      },
    }
  }

  /** A new instance to which the events were applied. */
  static fromEvents<A extends AggregateRoot<Untyped>>(this: new () => A, events: Iterable<EventInput>): A {
    const aggregate = new this()
    for (const event of events) keeping.apply(aggregate, event)
    return aggregate
  }

  /** Version of the last stored event; -1 when there is none. Raised events do not count. */
  get version(): number {
    return this.#version
  }

  /** Events raised and not stored yet. */
  get uncommitted(): readonly E[] {
    return this.#uncommitted
  }

  /** Changes the state for an event; decides nothing. */
  abstract apply(event: E): void

  /** Applies a new event and keeps it in `uncommitted`. */
  protected raise(event: E): void {
    this.apply(event)
    this.#uncommitted.push(event)
  }
}
