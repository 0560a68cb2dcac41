import type { Untyped } from '@aegis/log'
import { type EventLog, eventLogOf } from '../event-log.ts'
import type { EventStore } from '../event-store.ts'
import { invalid } from '../invalid.ts'
import type { SkippedEvent } from '../processors/checkpoint.ts'
import { claim } from '../processors/claims.ts'
import type { WaitForOptions } from '../processors/position-waiters.ts'
import { type AsyncProjection, checkProjection } from './async-projection.ts'
import { type ProjectionStatus, type RebuildOptions, RunningProjection } from './running-projection.ts'
import { checkpointOf, readProjection } from './stored-projection.ts'

export interface StartProjectionsOptions {
  /** Called when a projection has stopped by itself. Default: a warning of the process. */
  onFailure?: (name: string, error: unknown) => void
}

const warn = (name: string, error: unknown): void => process.emitWarning(`projection ${name} failed: ${String(error)}`)

/** Projections that follow the events, each by itself: one that fails does not hold up the others. */
export class ProjectionRunner implements AsyncDisposable {
  readonly #events: EventLog
  readonly #projections: ReadonlyMap<string, RunningProjection>
  readonly #release: () => void
  // A program that has nothing else to do is there to project.
  readonly #keepAlive = setInterval(() => undefined, 2 ** 30)
  #closing: Promise<void> | undefined

  private constructor(events: EventLog, projections: readonly RunningProjection[], release: () => void) {
    this.#events = events
    this.#projections = new Map(projections.map(projection => [projection.name, projection]))
    this.#release = release
    events.dependents.add(this)
  }

  /** @internal Use `startProjections`. */
  static async start(
    events: EventLog,
    projections: readonly AsyncProjection<Untyped, Untyped>[],
    { onFailure = warn }: StartProjectionsOptions,
  ): Promise<ProjectionRunner> {
    for (const projection of projections) checkProjection(projection)
    const release = claim(
      events.log,
      projections.map(({ name }) => `projection ${name}`),
    )
    const started: RunningProjection[] = []
    try {
      await events.prepare()
      for (const projection of projections)
        started.push(await RunningProjection.start(events, projection, error => onFailure(projection.name, error)))
      return new ProjectionRunner(events, started, release)
    } catch (error) {
      for (const projection of started) await projection.close()
      release()
      throw error
    }
  }

  /** How far each is. */
  status(): Promise<ProjectionStatus[]> {
    return Promise.all([...this.#projections.values()].map(projection => projection.status()))
  }

  /**
   * Resolves when the read model of a projection has everything up to a position, itself included: with the `position` of an
   * append's result, readers see what was appended.
   * @throws AegisError `EVENT_PROCESSOR_TIMEOUT`, `EVENT_PROCESSOR_FAILED`, `EVENT_PROCESSOR_CLOSED`, and the reason of the signal
   */
  async waitFor(name: string, position: number, options: WaitForOptions = {}): Promise<void> {
    return this.#named(name).waitFor(position, options)
  }

  /**
   * Makes the read model of a projection anew, beside the one that is read, from the first event on; when it is as far as that
   * one, it is read instead, from one commit to the next. Resolves then. The one before stays for those who still have it until
   * the next rebuild or start. Killed meanwhile, the next start goes on with it.
   * @throws AegisError `EVENT_PROCESSOR_FAILED` for an event that cannot be applied: the model before goes on
   */
  async rebuild(name: string, options?: RebuildOptions): Promise<void> {
    return this.#named(name).rebuild(options)
  }

  /** The events that the read model of a projection lacks because they could not be applied. */
  async *skipped(name: string): AsyncGenerator<SkippedEvent, void, undefined> {
    this.#named(name)
    const stored = await readProjection(this.#events.log, name)
    if (stored !== undefined) yield* checkpointOf(name, stored.live).skipped(this.#events.log)
  }

  /** Stops all after the commits that are on their way. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all([...this.#projections.values()].map(projection => projection.close()))
      clearInterval(this.#keepAlive)
      this.#events.dependents.delete(this)
      this.#release()
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #named(name: string): RunningProjection {
    const projection = this.#projections.get(name)
    if (projection !== undefined) return projection
    throw invalid(
      `projection ${JSON.stringify(name)} is not one of this runner: ${[...this.#projections.keys()].join(', ')}`,
    )
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
