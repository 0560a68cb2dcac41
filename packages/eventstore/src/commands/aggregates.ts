import type { Untyped } from '@aegis/log'
import type { EventInput } from '../event.ts'
import type { EventLog } from '../event-log.ts'
import { type AggregateRoot, keeping } from './aggregate-root.ts'
import { CommandHandler, type CommandHandlerOptions, type CommandModel } from './command-handler.ts'
import { type SnapshotCodec, type SnapshotPolicy, Snapshots } from './snapshot.ts'

/** The events of an aggregate. */
export type EventOf<A extends AggregateRoot<Untyped>> = A['uncommitted'][number] extends infer E extends EventInput
  ? E
  : never

/** What is done with an aggregate: its methods are called, and raise events. May be run again, with a newer aggregate. */
export type AggregateCommand<A extends AggregateRoot<Untyped>> = (aggregate: A) => Promise<void> | void

export interface AggregateOptions<A extends AggregateRoot<Untyped>> extends CommandHandlerOptions {
  /** Default: none. `write` makes JSON of an aggregate's state, `read` a new aggregate of it: its version is set by the store. */
  snapshots?: SnapshotPolicy & SnapshotCodec<A>
}

/** Commands by an aggregate. @throws AegisError `EVENT_INVALID` */
export function aggregateHandler<A extends AggregateRoot<Untyped>>(
  events: EventLog,
  type: new () => A,
  { snapshots, ...options }: AggregateOptions<A>,
): CommandHandler<A, AggregateCommand<A>, EventOf<A>> {
  const model: CommandModel<A, AggregateCommand<A>, EventOf<A>> = {
    initialState: () => new type(),
    evolve(aggregate, event) {
      keeping.apply(aggregate, event)
      return aggregate
    },
    restored: keeping.restored,
    async decide(command, aggregate) {
      await command(aggregate)
      return aggregate.uncommitted
    },
    // It has applied its events when it raised them.
    advance(aggregate, _, version) {
      keeping.committed(aggregate, version)
      return aggregate
    },
  }
  return new CommandHandler(events, model, snapshots && new Snapshots(snapshots, snapshots), options)
}
