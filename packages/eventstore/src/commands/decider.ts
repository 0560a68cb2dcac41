import type { EventInput } from '../event.ts'

/** What a command comes to: one event, several, or none (`[]`). */
export type Decision<E extends EventInput = EventInput> = E | readonly E[]

/**
 * A part of the domain as three functions without effects: what was before anything happened, what an event changes, and
 * what a command leads to. The form is that of Jérémie Chassaing's deciders, and of Emmett.
 */
export interface Decider<State, Command, E extends EventInput = EventInput> {
  /** The state of a stream without events. */
  initialState(): State
  /** The state after an event. Decides nothing, and refuses nothing: the event has happened. */
  evolve(state: State, event: E): State
  /** The events that a command leads to; throws to refuse it. May be called again, with a newer state. */
  decide(command: Command, state: State): Decision<E> | Promise<Decision<E>>
}
