// Events are for ever, a name in them is not: it is encrypted with a key that can be forgotten.
import { EventStore } from '@aegis/eventstore'
import { isAbsent, Privacy } from '@aegis/eventstore/privacy'

// From a key management service in earnest: whoever loses it has lost all that is private.
const key = Buffer.from('2b7e151628aed2a6abf7158809cf4f3c2b7e151628aed2a6abf7158809cf4f3c', 'hex')
const privacy = new Privacy({
  masterKeys: [{ id: '2026', key }],
  personalData: [{ type: 'Registered', subject: data => data.customer, fields: ['name'] }],
})

const store = await EventStore.open({ dataDir: './data', privacy })
await store.append('customers', [
  { id: 'ada', type: 'Registered', data: { customer: '1', name: 'Ada', plan: 'gold' } },
  { id: 'grace', type: 'Registered', data: { customer: '2', name: 'Grace', plan: 'silver' } },
])

await privacy.forget('1')
for (const { data } of await store.load('customers')) {
  console.log(data.customer, isAbsent(data.name) ? 'forgotten' : data.name, data.plan)
}
await store.close()
