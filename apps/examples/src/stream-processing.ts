// Purchases in windows of five minutes of event time; results, state and position are one commit, so that each counts once.
import { StreamingEngine } from '@aegis/streaming'

const engine = await StreamingEngine.open({ dataDir: './data' })

await engine.createTopic('raw-events', { partitions: 2 })
await engine.createTopic('purchase-metrics', { partitions: 2 })
const metrics = await engine.subscribe('purchase-metrics')

const job = await engine
  .processor('purchase-metrics')
  .source('raw-events')
  .filter(e => e.type === 'purchase')
  .timestampBy(e => e.created_at)
  .map(e => ({ customer: e.customer_id, amount: e.total, timestamp: e.created_at }))
  .window('5m')
  .aggregate(window => ({
    totalPurchases: window.length,
    totalAmount: window.reduce((s, e) => s + e.amount, 0),
  }))
  .sink('purchase-metrics')
  .start()

// Time goes on from one start of this program to the next: an hour for each event that was ever published.
const minute = 60_000
const noon = (await engine.log.endOffset('raw-events')) * 60 * minute
await engine.publishMany('raw-events', [
  { key: 'ada', payload: { type: 'purchase', customer_id: 'ada', total: 5, created_at: noon } },
  { key: 'bob', payload: { type: 'visit', customer_id: 'bob', created_at: noon + minute } },
  { key: 'bob', payload: { type: 'purchase', customer_id: 'bob', total: 7, created_at: noon + 4 * minute } },
  { key: 'ada', payload: { type: 'purchase', customer_id: 'ada', total: 9, created_at: noon + 5 * minute } },
])

// A window closes when later events show that its time is over; this example ends, so it closes them all.
await job.drain()

let windows = 0
for await (const { payload, headers } of metrics) {
  const minutes = (Number(headers['window-start']) - noon) / minute
  console.log(`from minute ${minutes}:`, payload)
  if (++windows === 2) break
}

await engine.close()
