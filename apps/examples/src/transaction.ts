// One atomic commit over a table, an event stream and a topic: all of it becomes visible and durable, or nothing does.
import { Event } from '@aegis/eventstore'
import { StreamingEngine } from '@aegis/streaming'

const engine = await StreamingEngine.open({ dataDir: './data' })

await engine.createTopic('orders')
const users = await engine.cdc.table('users', { primaryKey: 'id' })
const orders = await engine.subscribe('orders')

const row = { id: 1, name: 'Ada', orders: 1 }
const events = [new Event('OrderPlaced', { total: 5 })]
const message = { key: 'ada', payload: { total: 5 } }

await engine.transaction(async tx => {
  await tx.cdc.table('users').upsert(row)
  await tx.events.append('account-123', events)
  await tx.publish('orders', message)
})

for await (const order of orders) {
  console.log('published', order.key, order.payload)
  break
}
console.log('stored', await users.get(1))

// A transaction reads its own writes, and what others wrote in between makes it run again.
const total = await engine.transaction(async tx => {
  const table = tx.cdc.table<{ id: number; name: string; orders: number }>('users')
  await table.update(1, { orders: 2 })
  return (await table.get(1))?.orders
})
console.log('orders', total)

// When it throws, nothing has happened.
try {
  await engine.transaction(async tx => {
    await tx.cdc.table('users').delete(1)
    throw new Error('changed my mind')
  })
} catch (error) {
  console.log(
    error instanceof Error ? error.message : error,
    '- Ada is still here:',
    (await users.get(1)) !== undefined,
  )
}

await engine.close()
