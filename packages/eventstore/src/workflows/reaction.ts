import { randomUUID } from 'node:crypto'
import type { Transaction, Untyped } from '@aegis/log'
import type { EventInput, Metadata } from '../event.ts'
import type { EventLog } from '../event-log.ts'
import { EventTransaction } from '../event-transaction.ts'
import { invalid } from '../invalid.ts'
import { type PendingTimer, readInstance, writeInstance } from './instance.ts'
import { dueTime, type WorkflowOutput } from './output.ts'
import { deleteTimer, writeTimer } from './timers.ts'
import type { Workflow, WorkflowContext, WorkflowInput } from './workflow.ts'

type AnyWorkflow = Workflow<Untyped, Untyped, Untyped, Untyped>

/** What a workflow's outputs come to: everything is written with `tx`. */
class Reaction {
  readonly #events: EventLog
  readonly #workflow: AnyWorkflow
  readonly #tx: Transaction
  readonly #instanceId: string
  readonly #now: number
  readonly #metadata: { readonly correlationId: string; readonly causationId: string }
  readonly timers: Map<string, number>
  scheduled = false
  completed = false

  constructor(
    events: EventLog,
    workflow: AnyWorkflow,
    tx: Transaction,
    instanceId: string,
    now: number,
    input: WorkflowInput,
    timers: readonly PendingTimer[],
  ) {
    this.#events = events
    this.#workflow = workflow
    this.#tx = tx
    this.#instanceId = instanceId
    this.#now = now
    const { correlationId } = (input.metadata ?? {}) as Metadata
    this.#metadata = {
      correlationId: typeof correlationId === 'string' ? correlationId : instanceId,
      causationId: input.id,
    }
    this.timers = new Map(timers)
  }

  async carryOut(output: WorkflowOutput): Promise<void> {
    const { name } = this.#workflow
    if (this.completed) throw invalid(`workflow ${name} does more after it is complete: let 'complete' be the last`)
    switch (output?.action) {
      case 'publish':
        await new EventTransaction(this.#events, this.#tx).append(output.streamId, output.events, this.#metadata)
        break
      case 'send':
        if (this.#workflow.send === undefined)
          throw invalid(`workflow ${name} sends a command and has no send: give it one that carries commands out`)
        await this.#workflow.send(output.command, this.#tx, { instanceId: this.#instanceId, now: this.#now })
        break
      case 'schedule':
        this.#cancel(output.timer)
        this.#schedule(output)
        break
      case 'cancel':
        this.#cancel(output.timer)
        break
      case 'complete':
        for (const timer of this.timers.keys()) this.#cancel(timer)
        this.completed = true
        break
      default:
        throw invalid(`workflow ${name} gave ${JSON.stringify(output)}: use publish, send, schedule, cancel, complete`)
    }
  }

  #schedule({
    timer,
    message,
    when,
  }: {
    timer: string
    message: EventInput
    when: Parameters<typeof dueTime>[1]
  }): void {
    const due = dueTime(timer, when, this.#now)
    const { correlationId } = this.#metadata
    const stored = {
      id: randomUUID(),
      instanceId: this.#instanceId,
      timer,
      due,
      message: { type: message.type, data: message.data, metadata: { correlationId, ...message.metadata } },
    }
    writeTimer(this.#tx, this.#workflow.name, stored)
    this.timers.set(timer, due)
    this.scheduled = true
  }

  #cancel(timer: string): void {
    if (typeof timer !== 'string')
      throw invalid(`timer ${String(timer)} of workflow ${this.#workflow.name}: give a name`)
    const due = this.timers.get(timer)
    if (due === undefined) return
    deleteTimer(this.#tx, this.#workflow.name, { due, instanceId: this.#instanceId, timer })
    this.timers.delete(timer)
  }
}

/** What follows from an input, and the state after it. */
export async function decided(
  workflow: AnyWorkflow,
  state: unknown,
  input: WorkflowInput,
  context: WorkflowContext,
): Promise<{ readonly outputs: readonly WorkflowOutput[]; readonly state: unknown }> {
  const outputs: unknown = await workflow.decide(input, state, context)
  if (!Array.isArray(outputs))
    throw invalid(`workflow ${workflow.name} decided ${JSON.stringify(outputs)}: give a list`)
  const published = (outputs as WorkflowOutput[]).flatMap(output => (output?.action === 'publish' ? output.events : []))
  return { outputs, state: [input, ...published].reduce((before, message) => workflow.evolve(before, message), state) }
}

/**
 * Has an instance react to an input. Gives whether timers were set.
 * @param fired Name of the timer that the input comes from.
 */
export async function react(
  events: EventLog,
  workflow: AnyWorkflow,
  tx: Transaction,
  instanceId: string,
  input: WorkflowInput,
  now: number,
  fired?: string,
): Promise<boolean> {
  const before = await readInstance(tx, workflow.name, instanceId)
  if (before?.completed) return false
  const state = before === undefined ? workflow.initialState() : before.state
  const pending = (before?.timers ?? []).filter(([name]) => name !== fired)
  const { outputs, state: next } = await decided(workflow, state, input, { instanceId, now })
  const reaction = new Reaction(events, workflow, tx, instanceId, now, input, pending)
  for (const output of outputs) await reaction.carryOut(output)
  const timers = [...reaction.timers]
  writeInstance(
    tx,
    workflow.name,
    instanceId,
    reaction.completed ? { completed: true, timers } : { state: next, timers },
  )
  return reaction.scheduled
}
