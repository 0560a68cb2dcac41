import type { EventInput } from '../event.ts'
import type { WorkflowOutput } from '../workflows/output.ts'
import { decided } from '../workflows/reaction.ts'
import type { Workflow, WorkflowInput } from '../workflows/workflow.ts'
import { type Expectations, expectations } from './expectations.ts'

export interface WorkflowSpecificationOptions {
  /** Default `'instance'`. */
  instanceId?: string
  /** The time of the workflow's clock, milliseconds since the epoch. Default 0. */
  now?: number
}

/** What an instance has had as inputs, another input, and what is to follow. */
export interface WorkflowSpecification<Input extends EventInput, Output extends EventInput, Command> {
  given(...inputs: readonly Input[]): { when(input: Input): Expectations<WorkflowOutput<Input, Output, Command>> }
}

/**
 * Specifies a workflow: `given` events and messages of timers that one instance has reacted to, `when` another comes, `then`
 * outputs. Nothing is stored, and no command carried out. After `complete` nothing follows.
 * @example await workflowSpecification(payment).given(placed).when(timedOut).thenExpect(publish('order-1', cancelled), complete())
 */
export function workflowSpecification<State, Input extends EventInput, Output extends EventInput, Command>(
  workflow: Workflow<Input, State, Output, Command>,
  { instanceId = 'instance', now = 0 }: WorkflowSpecificationOptions = {},
): WorkflowSpecification<Input, Output, Command> {
  const react = async (inputs: readonly Input[]) => {
    let state: unknown = workflow.initialState()
    let outputs: readonly WorkflowOutput[] = []
    let completed = false
    for (const [at, input] of inputs.entries()) {
      if (completed) return []
      const received: WorkflowInput = { id: String(at), timestamp: now, ...input }
      const next = await decided(workflow, state, received, { instanceId, now })
      state = next.state
      outputs = next.outputs
      completed = outputs.some(output => output.action === 'complete')
    }
    return outputs as readonly WorkflowOutput<Input, Output, Command>[]
  }
  return { given: (...before) => ({ when: input => expectations('outputs', () => react([...before, input])) }) }
}
