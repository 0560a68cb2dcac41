// What is read is made of events: documents that follow them, and are built anew when their meaning changes.
import { type AsyncProjection, type Documents, readModel, startProjections } from '@aegis/eventstore/projections'
import { StreamingEngine } from '@aegis/streaming'

type Deposited = { type: 'Deposited'; data: { amount: number } }

const engine = await StreamingEngine.open({ dataDir: './data' })

const balances: AsyncProjection<Deposited, Documents<number>> = {
  name: 'balances',
  streams: 'savings-*',
  async apply({ streamId, data }, model) {
    model.put(streamId, ((await model.get(streamId)) ?? 0) + data.amount)
  },
}
const runner = await startProjections(engine.events, [balances])

// Given an id, an event is appended once, however often the program is started.
await engine.events.append('savings-1', { id: 'first', type: 'Deposited', data: { amount: 20 } })
const { position } = await engine.events.append('savings-1', { id: 'second', type: 'Deposited', data: { amount: 5 } })

// Readers see what was written before, if they wait for it.
await runner.waitFor('balances', position)
console.log('balance', await (await readModel(engine.events, balances)).get('savings-1'))

// The same again from the first event on, beside the model that is read.
await runner.rebuild('balances')
console.log('rebuilt', await (await readModel(engine.events, balances)).get('savings-1'))

await runner.close()
await engine.close()
