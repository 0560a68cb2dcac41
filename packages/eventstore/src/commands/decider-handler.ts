import type { EventInput } from '../event.ts'
import type { EventLog } from '../event-log.ts'
import { functions } from '../invalid.ts'
import { CommandHandler, type CommandHandlerOptions } from './command-handler.ts'
import type { Decider } from './decider.ts'
import { type SnapshotCodec, type SnapshotPolicy, Snapshots } from './snapshot.ts'

export interface DeciderOptions<State> extends CommandHandlerOptions {
  /** Default: none. `write` and `read` make JSON of the state and a state of it; default: the state is JSON. */
  snapshots?: SnapshotPolicy & Partial<SnapshotCodec<State>>
}

/** Commands by a decider. @throws AegisError `EVENT_INVALID` */
export function deciderHandler<State, Command, E extends EventInput>(
  events: EventLog,
  decider: Decider<State, Command, E>,
  { snapshots, ...options }: DeciderOptions<State>,
): CommandHandler<State, Command, E> {
  functions('the decider', decider ?? {}, 'initialState', 'evolve', 'decide')
  // Its own functions, called as such: a decider may be a class instance.
  const model = {
    initialState: () => decider.initialState(),
    evolve: (state: State, event: EventInput) => decider.evolve(state, event as E),
    restored: () => undefined,
    decide: (command: Command, state: State) => decider.decide(command, state),
    advance: (state: State, stored: readonly E[]) => stored.reduce((next, event) => decider.evolve(next, event), state),
  }
  const { write = (state: State) => state, read = (stored: State) => stored } = snapshots ?? {}
  return new CommandHandler(events, model, snapshots && new Snapshots(snapshots, { write, read }), options)
}
