import type { Untyped } from '@aegis/log'
import { AggregateRoot } from '../commands/aggregate-root.ts'
import type { AggregateCommand, EventOf } from '../commands/aggregates.ts'
import type { Decider } from '../commands/decider.ts'
import type { EventInput } from '../event.ts'
import { comparedEvent, type Expectations, expectations } from './expectations.ts'

/** What was before, a command, and what is to follow. */
export interface CommandSpecification<Command, E extends EventInput> {
  given(...events: readonly E[]): { when(command: Command): Expectations<E> }
}

/**
 * Specifies a decider: `given` events, `when` a command, `thenExpect` events. Nothing is stored.
 * @example await deciderSpecification(cart).given(created).when(addItem).thenExpect(itemAdded)
 */
export function deciderSpecification<State, Command, E extends EventInput>(
  decider: Decider<State, Command, E>,
): CommandSpecification<Command, E> {
  return {
    given: (...events) => ({
      when: command =>
        expectations(
          'events',
          async () => {
            const state = events.reduce((before, event) => decider.evolve(before, event), decider.initialState())
            const decision = await decider.decide(command, state)
            return [decision].flat() as E[]
          },
          comparedEvent,
        ),
    }),
  }
}

/**
 * Specifies an aggregate: `given` events, `when` its methods are called, `thenExpect` events are raised. Nothing is stored.
 * @example await aggregateSpecification(Account).given(opened).when(account => account.close()).thenExpect(closed)
 */
export function aggregateSpecification<A extends AggregateRoot<Untyped>>(
  type: new () => A,
): CommandSpecification<AggregateCommand<A>, EventOf<A>> {
  return {
    given: (...events) => ({
      when: command =>
        expectations<EventOf<A>>(
          'events',
          async () => {
            const aggregate = AggregateRoot.fromEvents.call(type, events) as A
            await command(aggregate)
            return aggregate.uncommitted
          },
          comparedEvent,
        ),
    }),
  }
}
