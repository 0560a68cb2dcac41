// Publish messages and consume them in a group: messages that were not acknowledged come again.
import { StreamingEngine } from '@aegis/streaming'

const engine = await StreamingEngine.open({ dataDir: './data' })

await engine.createTopic('orders', { partitions: 4, retention: '7d', replicationFactor: 3 })
const subscriber = await engine.subscribe('orders', { groupId: 'order-processor', from: 'latest' })

await engine.publish('orders', { key: 'order-123', payload: { id: '123', amount: 99.99 }, headers: {} })
const messages = [
  { key: 'order-123', payload: { id: '123', amount: 5 }, headers: { currency: 'EUR' } },
  { key: 'order-123', payload: { id: '123', amount: 7 } },
]
await engine.publishMany('orders', messages) // one commit

// The loop waits for ever for the next message; this example leaves it after three.
let handled = 0
for await (const msg of subscriber) {
  console.log(msg.key, msg.payload, msg.headers.currency ?? 'USD')
  await msg.ack()
  if (++handled === 3) break // leaves the group, too
}

await engine.close()
