import type { Transaction, Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { StoredEvent } from '../event.ts'
import { eventsTopic } from '../event-codec.ts'
import { eventFilter } from '../event-filter.ts'
import type { EventLog } from '../event-log.ts'
import { invalid } from '../invalid.ts'
import { catchUp } from '../processors/catch-up.ts'
import { CheckpointStore, type SkippedEvent } from '../processors/checkpoint.ts'
import type { Clock } from '../processors/clock.ts'
import { closedError } from '../processors/definition.ts'
import { EventProcessor } from '../processors/event-processor.ts'
import { inAll, PositionWaiters, type WaitForOptions } from '../processors/position-waiters.ts'
import { readInstance, type StoredInstance, writeInstance } from './instance.ts'
import { react } from './reaction.ts'
import { deleteTimer, firstTimers, readTimer, type StoredTimer } from './timers.ts'
import type { Workflow } from './workflow.ts'

export interface WorkflowStatus {
  readonly name: string
  /** `'failed'`: an input could not be reacted to, or the log failed; see `error`. */
  readonly state: 'running' | 'failed' | 'closed'
  /** Events below it are reacted to. */
  readonly position: number
  /** Where the events ended when it was asked. */
  readonly end: number
  /** Inputs that could not be reacted to and were left out. */
  readonly skipped: number
  readonly error?: unknown
}

type AnyWorkflow = Workflow<Untyped, Untyped, Untyped, Untyped>

/** A timer whose message could not be reacted to and was left out. */
export interface SkippedTimer {
  readonly instanceId: string
  readonly timer: string
  readonly due: number
  /** What was thrown. */
  readonly error: string
}

/** So many timers are looked at together. */
const page = 100
/** Another process may have set timers: looked for at least so often, in milliseconds. */
const lookAgain = 30_000
/** Others may write what a reaction reads: each conflict means that one of them went through. */
const retries = 1000

/** A workflow that follows the events and its timers. */
export class RunningWorkflow {
  readonly name: string
  readonly #events: EventLog
  readonly #workflow: AnyWorkflow
  readonly #clock: Clock
  readonly #report: (error: unknown) => void
  readonly #checkpoint: CheckpointStore<SkippedEvent | SkippedTimer>
  /** Those who wait until the timers of a time are fired. */
  readonly #fired: PositionWaiters
  #processor: EventProcessor | undefined
  #unschedule: () => void = () => undefined
  /** When the first timer is due; `undefined`: to be looked up. */
  #due: number | undefined
  /** Where the events ended when timers were found due: those before come first. */
  #fence: number | undefined
  #failure: { readonly error: unknown } | undefined
  #closed = false

  private constructor(events: EventLog, workflow: AnyWorkflow, clock: Clock, report: (error: unknown) => void) {
    this.name = workflow.name
    this.#events = events
    this.#workflow = workflow
    this.#clock = clock
    this.#report = report
    this.#checkpoint = new CheckpointStore('$workflows', workflow.name)
    this.#fired = new PositionWaiters(`workflow ${workflow.name}`)
  }

  static async start(
    events: EventLog,
    workflow: AnyWorkflow,
    clock: Clock,
    report: (error: unknown) => void,
  ): Promise<RunningWorkflow> {
    const running = new RunningWorkflow(events, workflow, clock, report)
    running.#processor = await EventProcessor.start(
      events,
      {
        name: `workflow ${workflow.name}`,
        checkpoint: running.#checkpoint,
        filter: eventFilter(workflow),
        onError: workflow.onError ?? 'stop',
        handle: (event, tx) => running.#handle(workflow.correlate(event), event, tx),
        ...(workflow.forget && { forget: (subject, event, tx) => running.#forget(subject, event, tx) }),
        between: processor => running.#fireDue(processor),
        advanced: () => undefined,
        failed: error => running.#fail(error),
      },
      async () => (workflow.from === 'latest' ? events.log.endOffset(eventsTopic) : 0),
    )
    return running
  }

  async status(): Promise<WorkflowStatus> {
    const { position, skipped } = this.#processor!
    return {
      name: this.name,
      state: this.#closed ? 'closed' : this.#failure === undefined ? 'running' : 'failed',
      position,
      end: this.#closed ? position : await this.#events.log.endOffset(eventsTopic),
      skipped,
      ...(this.#failure && { error: this.#failure.error }),
    }
  }

  waitFor(position: number, options: WaitForOptions): Promise<void> {
    return this.#processor!.waitFor(position, options)
  }

  async caughtUp(options: WaitForOptions): Promise<void> {
    const rest = inAll(options)
    const processor = this.#processor!
    const end = await this.#events.log.endOffset(eventsTopic)
    await catchUp(
      this.#events,
      end,
      () => processor.position,
      position => processor.waitFor(position, rest()),
    )
    const now = this.#clock.now()
    const [first] = await firstTimers(this.#events.log, this.name, 1)
    if (first === undefined || first.due > now) return
    if (this.#failure !== undefined) throw this.#failure.error
    processor.wake()
    await this.#fired.wait(now, 0, rest())
  }

  instance<State>(instanceId: string): Promise<StoredInstance<State> | undefined> {
    return readInstance(this.#events.log, this.name, instanceId)
  }

  skippedInputs(): AsyncIterable<SkippedEvent | SkippedTimer> {
    return this.#checkpoint.skipped(this.#events.log)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#processor!.stop()
    this.#unschedule()
    this.#fired.refuse(closedError(`workflow ${this.name}`))
  }

  async #forget(subject: string, event: StoredEvent, tx: Transaction): Promise<void> {
    const { name } = this.#workflow
    const instances: unknown = await this.#workflow.forget?.(subject)
    if (!Array.isArray(instances))
      throw invalid(`forget of workflow ${name} gave ${typeof instances}: give a list of instances`)
    for (const instanceId of new Set<string>(instances)) {
      // Those that there are not have nothing to forget.
      if ((await readInstance(tx, name, instanceId)) !== undefined) await this.#handle(instanceId, event, tx)
    }
  }

  async #handle(instanceId: string | undefined, event: StoredEvent, tx: Transaction): Promise<void> {
    if (instanceId === undefined) return
    const scheduled = await react(this.#events, this.#workflow, tx, instanceId, event, this.#clock.now())
    if (scheduled) tx.onCommit(() => this.#lookUp())
  }

  #lookUp(): void {
    this.#due = undefined
  }

  /** Fires the timers that are due, when the events that are stored by now are handled, and has the next one wake us. */
  async #fireDue(processor: EventProcessor): Promise<void> {
    this.#unschedule()
    for (;;) {
      const now = this.#clock.now()
      if (this.#due === undefined || this.#due <= now) {
        const timers = await firstTimers(this.#events.log, this.name, page)
        const due = timers.filter(timer => timer.due <= now)
        this.#due = timers[0]?.due ?? Infinity
        if (due.length > 0) {
          this.#fence ??= await this.#events.log.endOffset(eventsTopic)
          if (!(await processor.reached(this.#fence))) return
          for (const timer of due) await this.#fire(processor, timer, now)
          this.#lookUp()
          continue
        }
      }
      this.#fence = undefined
      this.#fired.advance(now + 1)
      // It may have gone on meanwhile.
      const wait = Math.min(this.#due - this.#clock.now(), lookAgain)
      if (wait <= 0) continue
      this.#unschedule = this.#clock.schedule(() => {
        this.#lookUp()
        processor.wake()
      }, wait)
      return
    }
  }

  /** The timer goes, and what follows from its message comes, in one commit. */
  async #fire(processor: EventProcessor, timer: StoredTimer, now: number): Promise<void> {
    const { name, onError = 'stop' } = this.#workflow
    const { instanceId, due } = timer
    let reacting = false
    try {
      await this.#events.log.transaction(
        async tx => {
          reacting = false
          const current = await readTimer(tx, name, timer)
          if (current === undefined) return
          deleteTimer(tx, name, timer)
          reacting = true
          const input = { ...current.message, id: current.id, timestamp: due }
          await react(this.#events, this.#workflow, tx, instanceId, input, now, timer.timer)
          reacting = false
        },
        { retries },
      )
    } catch (error) {
      if (!reacting) throw error
      if (onError === 'stop') {
        throw new AegisError(
          'EVENT_PROCESSOR_FAILED',
          `workflow ${name} stopped at timer ${timer.timer} of instance ${instanceId}: ${String(error)}; repair it and start it again, or let onError be 'skip'`,
          { cause: error, details: { instanceId, timer: timer.timer, due } },
        )
      }
      await processor.leftOut(async tx => {
        this.#checkpoint.skip(tx, due, timer.id, { instanceId, timer: timer.timer, due, error: String(error) })
        await forgetTimer(tx, name, timer)
      })
    }
  }

  #fail(error: unknown): void {
    this.#failure = { error }
    this.#fired.refuse(error)
    this.#report(error)
  }
}

async function forgetTimer(tx: Transaction, workflow: string, timer: StoredTimer): Promise<void> {
  deleteTimer(tx, workflow, timer)
  const instance = await readInstance(tx, workflow, timer.instanceId)
  if (instance === undefined) return
  const timers = instance.timers.filter(([name]) => name !== timer.timer)
  writeInstance(tx, workflow, timer.instanceId, { ...instance, timers })
}
