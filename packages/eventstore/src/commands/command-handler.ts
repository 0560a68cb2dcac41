import type { LogReader, Transaction, Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { type Alongside, append } from '../appending/append.ts'
import { appendWithin } from '../appending/append-within.ts'
import { checkedExpectation, checkVersion, type ExpectedVersion } from '../appending/expected-version.ts'
import {
  type AppendEventsOptions,
  type AppendEventsResult,
  type PreparedAppend,
  prepareAppend,
} from '../appending/prepare-append.ts'
import type { EventInput } from '../event.ts'
import type { EventLog } from '../event-log.ts'
import { unitedKeys } from '../event-protection.ts'
import { wholeNumber } from '../invalid.ts'
import type { Decision } from './decider.ts'
import { type Replaying, replay } from './replay.ts'
import type { Snapshots } from './snapshot.ts'
import { StreamQueue } from './stream-queue.ts'

export interface CommandHandlerOptions {
  /**
   * How often a command is decided anew when others have appended between load and append. Commands of one handler for one
   * stream wait for one another and do not count. Default 10.
   */
  retries?: number
}

export interface CommandOptions extends Omit<AppendEventsOptions, 'expectedVersion'> {
  /** What the one who gave the command has seen of the stream. Given, the command is not decided anew after a conflict. */
  expectedVersion?: ExpectedVersion
}

/** The state of a stream. */
export interface LoadedState<State> {
  readonly state: State
  /** Version of the stream's last event; -1 when it has none. */
  readonly version: number
}

/** What a command has led to. */
export interface CommandResult<State, E extends EventInput = EventInput> extends AppendEventsResult {
  /** With the new events in it. */
  readonly state: State
  /** Those that were appended; none when nothing was decided. */
  readonly events: readonly E[]
}

/** Commands inside a transaction of the log: what they append is there when it commits. */
export interface CommandTransaction<State, Command, E extends EventInput = EventInput> {
  /** The state with what the transaction has appended. */
  load(streamId: string): Promise<LoadedState<State>>
  /** As `CommandHandler.handle`; the transaction is what is run again after a conflict. */
  handle(streamId: string, command: Command, options?: CommandOptions): Promise<CommandResult<State, E>>
}

/** How states come about: deciders and aggregates in one form. */
export interface CommandModel<State, Command, E extends EventInput> extends Replaying<State> {
  decide(command: Command, state: State): Decision<E> | Promise<Decision<E>>
  /** The state after a decision, before it is appended; `stored` are its events as they will be read. */
  advance(state: State, stored: readonly E[], version: number): State
}

type Commit = (prepared: PreparedAppend, snapshot: Alongside | undefined) => Promise<AppendEventsResult>

/** Loads a stream's state, decides, appends what was decided, and begins again when another append came first. */
export class CommandHandler<State, Command, E extends EventInput = EventInput> {
  readonly #events: EventLog
  readonly #model: CommandModel<State, Command, E>
  readonly #snapshots: Snapshots<State> | undefined
  readonly #retries: number
  readonly #queue = new StreamQueue()

  /** Made by `EventStore.commandHandler` and `EventStore.aggregates`. */
  constructor(
    events: EventLog,
    model: CommandModel<State, Command, E>,
    snapshots: Snapshots<State> | undefined,
    { retries = 10 }: CommandHandlerOptions,
  ) {
    wholeNumber('retries', retries)
    this.#events = events
    this.#model = model
    this.#snapshots = snapshots
    this.#retries = retries
  }

  /** The state of a stream, from its newest snapshot on. */
  async load(streamId: string): Promise<LoadedState<State>> {
    await this.#events.prepare()
    return this.#load(this.#events.log, streamId)
  }

  /**
   * Appends what a command leads to, in one commit, and gives the state after it. Deciding must not wait for another
   * command for the same stream.
   * @throws AegisError `VERSION_CONFLICT` when `expectedVersion` does not hold or the retries are used up, and what `append`
   * and deciding throw
   */
  handle(streamId: string, command: Command, options: CommandOptions = {}): Promise<CommandResult<State, E>> {
    return this.#queue.run(streamId, async () => {
      await this.#events.prepare()
      for (let attempt = 0; ; attempt++) {
        try {
          return await this.#attempt(this.#events.log, streamId, command, options, (prepared, snapshot) =>
            append(this.#events, prepared, snapshot),
          )
        } catch (error) {
          const conflict = AegisError.is(error, 'VERSION_CONFLICT') && error.details['streamId'] === streamId
          if (!conflict || options.expectedVersion !== undefined || attempt >= this.#retries) throw error
        }
      }
    })
  }

  /** The handler inside a transaction of the log. */
  within(tx: Transaction): CommandTransaction<State, Command, E> {
    return {
      load: async streamId => {
        await this.#events.prepare()
        return this.#load(tx, streamId)
      },
      handle: async (streamId, command, options = {}) => {
        await this.#events.prepare()
        return this.#attempt(tx, streamId, command, options, (prepared, snapshot) =>
          appendWithin(this.#events, tx, prepared, snapshot),
        )
      },
    }
  }

  async #load(reader: LogReader, streamId: string): Promise<LoadedState<State>> {
    const { state, version } = await replay(this.#events, reader, streamId, this.#model, this.#snapshots)
    return { state, version }
  }

  async #attempt(
    reader: LogReader,
    streamId: string,
    command: Command,
    options: CommandOptions,
    commit: Commit,
  ): Promise<CommandResult<State, E>> {
    const events = this.#events
    const expected = checkedExpectation(options.expectedVersion)
    // Before loading: what is forgotten after that must make the snapshot of this state unreadable.
    const keys = this.#snapshots && (await events.protection?.keysOfStream(streamId))
    const loaded = await replay(events, reader, streamId, this.#model, this.#snapshots)
    const { version } = loaded
    checkVersion(streamId, expected, version === -1 ? undefined : version)
    const decided = asList(await this.#model.decide(command, loaded.state))
    if (decided.length === 0) return { streamId, state: loaded.state, version, position: -1, ids: [], events: [] }
    const prepared = await prepareAppend(events, streamId, decided, { ...options, expectedVersion: version })
    const stored: Untyped[] = events.stored(prepared, version + 1, Date.now())
    const next = version + stored.length
    const state = this.#model.advance(loaded.state, stored, next)
    const bytes = prepared.records.reduce((sum, { value }) => sum + value.length, loaded.bytes)
    const snapshots = this.#snapshots?.due(next - loaded.snapshot, bytes) ? this.#snapshots : undefined
    const result = await commit(
      prepared,
      snapshots &&
        ((tx, { version: last }) => {
          const all = keys && unitedKeys(keys, prepared.keys ?? new Map())
          if (last !== next || (keys !== undefined && all === undefined)) return
          snapshots.write(events, tx, prepared.key, { state, version: next }, all)
        }),
    )
    if (result.version === next) return withState(result, state, decided)
    // The events have ids that the stream has already: nothing was appended.
    return withState(result, (await this.#load(reader, streamId)).state, [])
  }
}

const isList = <E extends EventInput>(decision: Decision<E>): decision is readonly E[] => Array.isArray(decision)

const asList = <E extends EventInput>(decision: Decision<E>): readonly E[] => (isList(decision) ? decision : [decision])

/** In a transaction the position is a getter that throws before the commit: it stays one. */
const withState = <State, E extends EventInput>(
  result: AppendEventsResult,
  state: State,
  events: readonly E[],
): CommandResult<State, E> =>
  Object.defineProperties({ state, events }, Object.getOwnPropertyDescriptors(result)) as CommandResult<State, E>
