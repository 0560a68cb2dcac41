import type { Untyped } from '@aegis/log'
import type { CloseOptions } from '@aegis/subscription'
import { type EventLog, eventLogOf } from '../event-log.ts'
import type { EventStore } from '../event-store.ts'
import type { SkippedEvent } from '../processors/checkpoint.ts'
import { type Clock, clockOf } from '../processors/clock.ts'
import { warnOf } from '../processors/definition.ts'
import type { WaitForOptions } from '../processors/position-waiters.ts'
import { RunningSet } from '../processors/running-set.ts'
import type { StoredInstance } from './instance.ts'
import { RunningWorkflow, type SkippedTimer, type WorkflowStatus } from './running-workflow.ts'
import { checkWorkflow, type Workflow } from './workflow.ts'

export interface StartWorkflowsOptions {
  /** Where timers take their time from, for tests that cannot wait. Default: the time of the log. */
  clock?: Clock
  /** Called when a workflow has stopped by itself. Default: a warning of the process. */
  onFailure?: (name: string, error: unknown) => void
}

/** Workflows that follow the events and their timers, each by itself: one that fails does not hold up the others. */
export class WorkflowRunner implements AsyncDisposable {
  readonly #running: RunningSet<RunningWorkflow>

  private constructor(running: RunningSet<RunningWorkflow>) {
    this.#running = running
  }

  /** @internal Use `startWorkflows`. */
  static async start(
    events: EventLog,
    workflows: readonly Workflow<Untyped, Untyped, Untyped, Untyped>[],
    { clock = clockOf(events.log), onFailure = warnOf('workflow') }: StartWorkflowsOptions,
  ): Promise<WorkflowRunner> {
    for (const workflow of workflows) checkWorkflow(workflow)
    return new WorkflowRunner(
      await RunningSet.start(events, 'workflow', workflows, workflow =>
        RunningWorkflow.start(events, workflow, clock, error => onFailure(workflow.name, error)),
      ),
    )
  }

  /** How far each is. */
  status(): Promise<WorkflowStatus[]> {
    return Promise.all(this.#running.all().map(workflow => workflow.status()))
  }

  /**
   * Resolves when a workflow has reacted to everything up to a position, itself included.
   * @throws AegisError `EVENT_PROCESSOR_TIMEOUT`, `EVENT_PROCESSOR_FAILED`, `EVENT_PROCESSOR_CLOSED`, and the reason of the signal
   */
  async waitFor(name: string, position: number, options: WaitForOptions = {}): Promise<void> {
    return this.#running.named(name).waitFor(position, options)
  }

  /** As `waitFor`, for everything that is stored now, and the timers that are due now. */
  async caughtUp(name: string, options: WaitForOptions = {}): Promise<void> {
    return this.#running.named(name).caughtUp(options)
  }

  /** An instance as it is now: its state, and the timers that wait. `undefined` when it has had no input. */
  async instance<State = Untyped>(name: string, instanceId: string): Promise<StoredInstance<State> | undefined> {
    return this.#running.named(name).instance(instanceId)
  }

  /** The inputs that a workflow has left out because it could not react to them. */
  skipped(name: string): AsyncIterable<SkippedEvent | SkippedTimer> {
    return this.#running.named(name).skippedInputs()
  }

  /** Stops all after the commits that are on their way. Timers go on being due: the next start fires them. */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#running.close(options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Starts workflows. Each goes on where it was, with the timers that were set.
 * @throws AegisError `EVENT_INVALID`, `EVENT_PROCESSOR_RUNNING`, `EVENTS_RECREATED`
 */
export async function startWorkflows(
  store: EventStore,
  workflows: readonly Workflow<Untyped, Untyped, Untyped, Untyped>[],
  options: StartWorkflowsOptions = {},
): Promise<WorkflowRunner> {
  return WorkflowRunner.start(eventLogOf(store), workflows, options)
}
