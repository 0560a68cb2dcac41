import type { Untyped } from '@aegis/log'
import type { CloseOptions } from '@aegis/subscription'
import { type EventLog, eventLogOf } from '../event-log.ts'
import type { EventStore } from '../event-store.ts'
import type { SkippedEvent } from '../processors/checkpoint.ts'
import { warnOf } from '../processors/definition.ts'
import type { WaitForOptions } from '../processors/position-waiters.ts'
import { RunningSet } from '../processors/running-set.ts'
import { type AsyncProjection, checkProjection } from './async-projection.ts'
import { type ProjectionStatus, type RebuildOptions, RunningProjection } from './running-projection.ts'

export interface StartProjectionsOptions {
  /** Called when a projection has stopped by itself. Default: a warning of the process. */
  onFailure?: (name: string, error: unknown) => void
}

/** Projections that follow the events, each by itself: one that fails does not hold up the others. */
export class ProjectionRunner implements AsyncDisposable {
  readonly #running: RunningSet<RunningProjection>

  private constructor(running: RunningSet<RunningProjection>) {
    this.#running = running
  }

  /** @internal Use `startProjections`. */
  static async start(
    events: EventLog,
    projections: readonly AsyncProjection<Untyped, Untyped>[],
    { onFailure = warnOf('projection') }: StartProjectionsOptions,
  ): Promise<ProjectionRunner> {
    for (const projection of projections) checkProjection(projection)
    return new ProjectionRunner(
      await RunningSet.start(events, 'projection', projections, projection =>
        RunningProjection.start(events, projection, error => onFailure(projection.name, error)),
      ),
    )
  }

  /** How far each is. */
  status(): Promise<ProjectionStatus[]> {
    return Promise.all(this.#running.all().map(projection => projection.status()))
  }

  /**
   * Resolves when the read model of a projection has everything up to a position, itself included: with the `position` of an
   * append's result, readers see what was appended.
   * @throws AegisError `EVENT_PROCESSOR_TIMEOUT`, `EVENT_PROCESSOR_FAILED`, `EVENT_PROCESSOR_CLOSED`, and the reason of the signal
   */
  async waitFor(name: string, position: number, options: WaitForOptions = {}): Promise<void> {
    return this.#running.named(name).waitFor(position, options)
  }

  /** As `waitFor`, for everything that is stored now. */
  async caughtUp(name: string, options: WaitForOptions = {}): Promise<void> {
    return this.#running.named(name).caughtUp(options)
  }

  /**
   * Makes the read model of a projection anew, beside the one that is read, from the first event on; when it is as far as that
   * one, it is read instead, from one commit to the next. Resolves then. The one before stays for those who still have it until
   * the next rebuild or start. Killed meanwhile, the next start goes on with it.
   * @throws AegisError `EVENT_PROCESSOR_FAILED` for an event that cannot be applied: the model before goes on
   */
  async rebuild(name: string, options?: RebuildOptions): Promise<void> {
    return this.#running.named(name).rebuild(options)
  }

  /** The events that the read model of a projection lacks because they could not be applied. */
  skipped(name: string): AsyncIterable<SkippedEvent> {
    return this.#running.named(name).skippedEvents()
  }

  /** Stops all after the commits that are on their way. */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#running.close(options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Starts projections. Each goes on where it was; one whose `version` is another than that of its stored read model is made
 * anew, while that one stays readable.
 * @throws AegisError `EVENT_INVALID`, `EVENT_PROCESSOR_RUNNING`
 */
export async function startProjections(
  store: EventStore,
  projections: readonly AsyncProjection<Untyped, Untyped>[],
  options: StartProjectionsOptions = {},
): Promise<ProjectionRunner> {
  return ProjectionRunner.start(eventLogOf(store), projections, options)
}
