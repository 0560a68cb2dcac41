// An order is paid in time, or cancelled: what goes on over time, with timers that outlive the program.
import {
  cancel,
  complete,
  publish,
  schedule,
  startWorkflows,
  type Workflow,
  type WorkflowOutput,
} from '@aegis/eventstore/workflows'
import { StreamingEngine } from '@aegis/streaming'

type Input = { type: 'Placed' | 'Paid' | 'TimedOut'; data: { order: string; within: string } }
type Output = { type: 'Confirmed' | 'Cancelled'; data: { order: string } }

const payment: Workflow<Input, null, Output> = {
  name: 'payment',
  streams: 'shop-*',
  types: ['Placed', 'Paid'],
  correlate: ({ data }) => data.order,
  initialState: () => null,
  decide({ type, data }, _, { instanceId: order }): WorkflowOutput<Input, Output>[] {
    const outcome = (result: Output['type']) => publish(`outcome-${order}`, { type: result, data: { order } })
    switch (type) {
      case 'Placed':
        return [schedule('payment', { type: 'TimedOut', data }, { after: data.within })]
      case 'Paid':
        return [cancel('payment'), outcome('Confirmed'), complete()]
      case 'TimedOut':
        return [outcome('Cancelled'), complete()]
    }
  },
  evolve: state => state,
}

const engine = await StreamingEngine.open({ dataDir: './data' })
const workflows = await startWorkflows(engine.events, [payment])

await engine.events.append('shop-1', [
  { id: 'placed-1', type: 'Placed', data: { order: '1', within: '15m' } },
  { id: 'placed-2', type: 'Placed', data: { order: '2', within: '10ms' } },
])
await engine.events.append('shop-1', { id: 'paid-1', type: 'Paid', data: { order: '1' } })

const outcomes: string[] = []
for await (const { type, data } of await engine.events.subscribe('outcome-*')) {
  if (outcomes.push(`order ${data.order} ${type}`) === 2) break
}
for (const line of outcomes.sort()) console.log(line)

await workflows.close()
await engine.close()
