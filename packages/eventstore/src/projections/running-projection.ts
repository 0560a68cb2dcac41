import type { Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { eventsTopic } from '../event-codec.ts'
import { eventFilter } from '../event-filter.ts'
import type { EventLog } from '../event-log.ts'
import { catchUp } from '../processors/catch-up.ts'
import type { SkippedEvent } from '../processors/checkpoint.ts'
import { closedError } from '../processors/definition.ts'
import { EventProcessor } from '../processors/event-processor.ts'
import { inAll, PositionWaiters, type WaitForOptions } from '../processors/position-waiters.ts'
import { type AsyncProjection, forgetIn } from './async-projection.ts'
import { dropOldBuilds } from './old-builds.ts'
import { modelOf } from './read-model.ts'
import { changeProjection, checkpointOf, firstProjection, type StoredProjection } from './stored-projection.ts'

/** How far a build has come. Positions: everything below is in it. */
export interface BuildProgress {
  readonly position: number
  /** Where the events ended when it was asked. */
  readonly end: number
}

export interface ProjectionStatus extends BuildProgress {
  readonly name: string
  readonly version: number
  /**
   * `'rebuilding'`: another read model is made beside the one that is read. `'failed'`: an event could not be applied, or the
   * log failed; see `error`. What is in the read model stays readable.
   */
  readonly state: 'running' | 'rebuilding' | 'failed' | 'closed'
  /** Events that could not be applied and were left out. */
  readonly skipped: number
  /** Of the read model that is being made. */
  readonly rebuild?: BuildProgress
  readonly error?: unknown
}

export interface RebuildOptions {
  /** Called after each commit of the new build. */
  onProgress?: (progress: BuildProgress) => void
}

/** Rounds in which a build runs after the end of the events before the live one has to wait for it. */
const rounds = 3

/** A projection that follows the events, and its other build while there is one. */
export class RunningProjection {
  readonly name: string
  readonly #events: EventLog
  readonly #projection: AsyncProjection<Untyped, Untyped>
  readonly #version: number
  readonly #label: string
  readonly #report: (error: unknown) => void
  readonly #waiters: PositionWaiters
  #stored: StoredProjection
  /** Makes the build that is read; not there while that is of another version. */
  #live: EventProcessor | undefined
  #builder: EventProcessor | undefined
  #rebuilding: Promise<void> | undefined
  #onProgress: RebuildOptions['onProgress']
  #end = 0
  #failure: { readonly error: unknown } | undefined
  #closed = false

  private constructor(
    events: EventLog,
    projection: AsyncProjection<Untyped, Untyped>,
    stored: StoredProjection,
    report: (error: unknown) => void,
  ) {
    this.name = projection.name
    this.#events = events
    this.#projection = projection
    this.#version = projection.version ?? 1
    this.#label = `projection ${projection.name}`
    this.#report = report
    this.#waiters = new PositionWaiters(this.#label)
    this.#stored = stored
  }

  /** Goes on where it was. A build of this version that was begun is finished, one of another version forgotten. */
  static async start(
    events: EventLog,
    projection: AsyncProjection<Untyped, Untyped>,
    report: (error: unknown) => void,
  ): Promise<RunningProjection> {
    const { log } = events
    const first = firstProjection(log, projection.version ?? 1)
    const isCurrent = ({ version, incarnation }: StoredProjection): boolean =>
      version === first.version && incarnation === first.incarnation
    const stored = await changeProjection(log, projection.name, (before = first) => {
      const { building, ...rest } = before
      const goesOn = building?.version === first.version && before.incarnation === first.incarnation
      return building === undefined || goesOn ? before : { ...rest, old: [...rest.old, building.build] }
    })
    const running = new RunningProjection(events, projection, stored, report)
    await running.#dropOld()
    if (isCurrent(stored)) running.#live = await running.#process(stored.live)
    if (!isCurrent(stored) || stored.building !== undefined) {
      running.rebuild().catch((error: unknown) => running.#fail(error))
    }
    return running
  }

  async status(): Promise<ProjectionStatus> {
    const { log } = this.#events
    const frozen = this.#live === undefined ? await checkpointOf(this.name, this.#stored.live).read(log) : undefined
    const end = this.#closed ? this.#end : await log.endOffset(eventsTopic)
    const working = this.#rebuilding === undefined ? 'running' : 'rebuilding'
    return {
      name: this.name,
      version: this.#stored.version,
      state: this.#closed ? 'closed' : this.#failure === undefined ? working : 'failed',
      position: this.#live?.position ?? frozen?.position ?? 0,
      end,
      skipped: this.#live?.skipped ?? frozen?.skipped ?? 0,
      ...(this.#rebuilding && { rebuild: { position: this.#builder?.position ?? 0, end } }),
      ...(this.#failure && { error: this.#failure.error }),
    }
  }

  async waitFor(position: number, options: WaitForOptions): Promise<void> {
    const passed = this.#live?.position ?? 0
    if (position >= passed) {
      if (this.#closed) throw closedError(this.#label)
      if (this.#failure !== undefined && this.#rebuilding === undefined) throw this.#failure.error
    }
    return this.#waiters.wait(position, passed, options)
  }

  async caughtUp(options: WaitForOptions): Promise<void> {
    const rest = inAll(options)
    const end = await this.#events.log.endOffset(eventsTopic)
    await catchUp(
      this.#events,
      end,
      () => this.#live?.position ?? 0,
      position => this.waitFor(position, rest()),
    )
  }

  skippedEvents(): AsyncIterable<SkippedEvent> {
    return checkpointOf(this.name, this.#stored.live).skipped(this.#events.log)
  }

  /** Makes the read model anew beside the one that is read, and has it read when it is as far. */
  rebuild({ onProgress }: RebuildOptions = {}): Promise<void> {
    if (this.#closed) return Promise.reject(closedError(this.#label))
    this.#onProgress = onProgress
    this.#rebuilding ??= this.#rebuild().finally(() => {
      this.#rebuilding = undefined
      this.#onProgress = undefined
      this.#builder = undefined
    })
    return this.#rebuilding
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#builder?.stop()
    await this.#rebuilding?.catch(() => undefined)
    await this.#live?.stop()
    this.#waiters.refuse(closedError(this.#label))
  }

  async #rebuild(): Promise<void> {
    const { log } = this.#events
    await this.#dropOld()
    const begun = await this.#change(stored => {
      if (stored.building !== undefined) return stored
      const build = stored.newest + 1
      return { ...stored, newest: build, building: { build, version: this.#version } }
    })
    const { build } = begun.building!
    const builder = await this.#process(build)
    this.#builder = builder
    try {
      if (this.#closed) throw closedError(this.#label)
      for (let round = 0; round < rounds; round++) {
        this.#end = await log.endOffset(eventsTopic)
        await this.#reach(builder, this.#end)
      }
      // Whoever has read an event's effect must find it afterwards: the one does not go on, the other comes as far.
      await this.#live?.stop()
      if (this.#live !== undefined) await this.#reach(builder, this.#live.position)
      await this.#change(({ building: _, ...stored }) => ({
        ...stored,
        live: build,
        version: this.#version,
        incarnation: log.topic(eventsTopic).incarnation,
        old: [...stored.old, stored.live],
      }))
    } catch (error) {
      await builder.stop()
      await this.#goOn(build, error).catch((failed: unknown) => this.#fail(failed))
      if (this.#failure !== undefined) this.#waiters.refuse(this.#failure.error)
      throw error
    }
    this.#live = builder
    this.#failure = undefined
    this.#waiters.advance(builder.position)
    // It may have come to an event that it cannot apply before anybody waited for it as the live one.
    if (builder.ended !== undefined && this.#failure === undefined) this.#fail(builder.ended.error)
  }

  #reach(builder: EventProcessor, end: number): Promise<void> {
    return catchUp(
      this.#events,
      end,
      () => builder.position,
      position => builder.waitFor(position),
    )
  }

  /** The build has failed, and the live one goes on. A build that is only interrupted is taken up by the next rebuild or start. */
  async #goOn(build: number, error: unknown): Promise<void> {
    if (this.#closed) return
    if (AegisError.is(error, 'EVENT_PROCESSOR_FAILED'))
      await this.#change(({ building: _, ...stored }) => ({ ...stored, old: [...stored.old, build] }))
    if (this.#live?.ended !== undefined && this.#failure === undefined)
      this.#live = await this.#process(this.#stored.live)
  }

  async #process(build: number): Promise<EventProcessor> {
    const { name, onError = 'stop' } = this.#projection
    const model = await modelOf(this.#events.log, this.#projection, build)
    const isLive = (): boolean => this.#stored.live === build
    return EventProcessor.start(
      this.#events,
      {
        name: this.#label,
        checkpoint: checkpointOf(name, build),
        filter: eventFilter(this.#projection, this.#events.codec.renames),
        onError,
        handle: (event, tx) => this.#projection.apply(event, model.within(tx), tx),
        forget: (subject, _, tx) => forgetIn(this.#projection, subject, model.within(tx), tx),
        advanced: position => {
          if (isLive()) this.#waiters.advance(position)
          else this.#onProgress?.({ position, end: this.#end })
        },
        failed: error => {
          if (isLive()) this.#fail(error)
        },
      },
      async () => 0,
    )
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    this.#failure = { error }
    // A build that is on its way may yet come as far.
    if (this.#rebuilding === undefined) this.#waiters.refuse(error)
    this.#report(error)
  }

  async #dropOld(): Promise<void> {
    this.#stored = await dropOldBuilds(this.#events.log, this.#projection)
  }

  async #change(change: (stored: StoredProjection) => StoredProjection): Promise<StoredProjection> {
    const { log } = this.#events
    this.#stored = await changeProjection(log, this.name, (stored = this.#stored) => change(stored))
    return this.#stored
  }
}
