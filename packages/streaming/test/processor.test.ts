import { count, sum } from '@aegis/processing'
import { expect, it } from 'vitest'
import { StreamingEngine } from '../src/index.ts'

it('a processor reads what was published and its results are subscribed to, as written in the design', async () => {
  const engine = await StreamingEngine.open({ memory: true })
  await engine.createTopic('raw-events', { partitions: 2 })
  const results = await engine.createTopic('purchase-metrics').then(() => engine.subscribe('purchase-metrics'))
  const job = await engine
    .processor('purchase-metrics')
    .source('raw-events')
    .filter(e => e.type === 'purchase')
    .timestampBy(e => e.created_at)
    .map(e => ({ customer: e.customer_id, amount: e.total, timestamp: e.created_at }))
    .window('5m')
    .aggregate({ totalPurchases: count(), totalAmount: sum(e => e.amount) })
    .sink('purchase-metrics')
    .start()
  await engine.publishMany('raw-events', [
    { payload: { type: 'purchase', created_at: 0, customer_id: 1, total: 5 } },
    { payload: { type: 'visit', created_at: 1 } },
    { payload: { type: 'purchase', created_at: 299_999, customer_id: 2, total: 7 } },
  ])
  await job.drain()
  for await (const { payload, headers } of results) {
    expect(payload).toEqual({ totalPurchases: 2, totalAmount: 12 })
    expect(headers).toMatchObject({ 'window-start': '0', 'window-end': '300000' })
    break
  }
  await engine.close()
})

it('closing the engine ends its processors, which lose nothing', async () => {
  const engine = await StreamingEngine.open({ memory: true })
  await engine.createTopic('in')
  const job = await engine
    .processor('copy')
    .source('in')
    .map(e => e)
    .sink('out')
    .start()
  await engine.close()
  expect(job.status).toBe('stopped')
})
