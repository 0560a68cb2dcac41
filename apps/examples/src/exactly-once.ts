// What a handler writes and the acknowledgement of its message are one commit: an invoice for each order, never two.
import { StreamingEngine } from '@aegis/streaming'

const engine = await StreamingEngine.open({ dataDir: './data' })

await engine.createTopic('orders')
await engine.createTopic('invoices')
const invoices = await engine.subscribe('invoices')
const orders = await engine.subscribe('orders', { groupId: 'billing', delivery: 'exactly-once', backoff: 0 })
await engine.publishMany('orders', [{ payload: { id: 1, total: 5 } }, { payload: { id: 2, total: 7 } }])

let crashed = false
const billing = orders.run((order, tx) => {
  engine.within(tx).publish('invoices', { payload: { order: order.payload.id, due: order.payload.total } })
  // The first attempt at the second order fails after it has written its invoice: that one is never seen.
  if (order.payload.id === 2 && !crashed) {
    crashed = true
    throw new Error('the printer is on fire')
  }
})

let printed = 0
for await (const { payload } of invoices) {
  console.log(payload)
  if (++printed === 2) break
}

await orders.close()
await billing
await engine.close()
