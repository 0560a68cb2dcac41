import type { Transaction, Untyped } from '@aegis/log'
import type { EventInput, StoredEvent } from '../event.ts'
import type { EventFilter } from '../event-filter.ts'
import { functions, invalid } from '../invalid.ts'
import { checkDefinition } from '../processors/definition.ts'
import type { OnError } from '../processors/event-processor.ts'
import type { WorkflowOutput } from './output.ts'

/** What a workflow reacts to: an event, or the message of a timer. */
export type WorkflowInput<E extends EventInput = EventInput> = E & {
  /** Of the event, or the timer: what follows from it has this as `causationId`. */
  readonly id: string
  /** When the event was committed, or the timer was due: milliseconds since the epoch. */
  readonly timestamp: number
}

export interface WorkflowContext {
  /** The instance, as `correlate` gave it. */
  readonly instanceId: string
  /** Milliseconds since the epoch, by the clock of the workflows. */
  readonly now: number
}

/**
 * A process that goes on over time: it reacts to events and timers with further events, commands and timers (elsewhere a
 * process manager or saga; the form is that of Emmett's workflows). Each input is reacted to once: position, state, output events,
 * commands and timers are one commit.
 */
export interface Workflow<
  Input extends EventInput = EventInput,
  State = Untyped,
  Output extends EventInput = EventInput,
  Command = Untyped,
> extends EventFilter<Input> {
  readonly name: string
  /** Where to begin when it is started for the first time. Default `'earliest'`: with the first event that is stored. */
  readonly from?: 'earliest' | 'latest'
  /** Default `'stop'`. `'skip'`: an input that cannot be reacted to is left out and noted. */
  readonly onError?: OnError
  /** Which instance an event belongs to; `undefined`: to none. */
  correlate(event: StoredEvent<Input>): string | undefined
  /** The state of an instance that has had no input yet. States are stored as JSON. */
  initialState(): State
  /** What follows from an input, with the state before it. Has no effects but what it gives; may be asked again. */
  decide(
    input: WorkflowInput<Input>,
    state: State,
    context: WorkflowContext,
  ): readonly WorkflowOutput<Input, Output, Command>[] | Promise<readonly WorkflowOutput<Input, Output, Command>[]>
  /** The state after an input, and after each event that is published. */
  evolve(state: State, message: Input | Output): State
  /**
   * The instances that may know something of a subject whom a `Privacy` has forgotten: each gets the event `$subject-forgotten` as its
   * input, so that `evolve` can leave out what the state has. Its events do not come to `correlate`.
   */
  forget?(subject: string): readonly string[] | Promise<readonly string[]>
  /**
   * Carries out a command in the same commit: `handler.within(tx).handle(…)` of a command handler, or a message published
   * with `within(tx)`. What it returns is awaited. Needed by workflows that send commands.
   */
  send?(command: Command, tx: Transaction, context: WorkflowContext): unknown
}

/** @throws AegisError `EVENT_INVALID` */
export function checkWorkflow(workflow: Workflow<Untyped, Untyped, Untyped, Untyped>): void {
  checkDefinition('workflow', workflow)
  const { name, from = 'earliest' } = workflow
  functions(`workflow ${name}`, workflow, 'correlate', 'initialState', 'decide', 'evolve')
  if (!['earliest', 'latest'].includes(from))
    throw invalid(`from of workflow ${name} is ${JSON.stringify(from)}: give 'earliest' or 'latest'`)
}
