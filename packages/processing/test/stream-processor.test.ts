import { expect, it } from 'vitest'
import { count, max, StreamProcessor, sum } from '../src/index.ts'
import { memoryLog, payloadsOf, publish, recordsOf, resultsOf } from './given/topics.ts'

const minute = 60_000

it('counts purchases per five minutes of event time, over all partitions together', async () => {
  const log = await memoryLog()
  await log.createTopic('raw-events', { partitions: 2 })
  const at = (time: number, total: number, type = 'purchase') => ({
    partition: total % 2,
    payload: { type, customer_id: 'ada', total, created_at: new Date(time).toISOString() },
  })
  await publish(log, 'raw-events', at(0, 1), at(minute, 2), at(2 * minute, 5, 'visit'), at(7 * minute, 3))

  const job = await new StreamProcessor(log, { id: 'purchase-metrics' })
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
  await job.drain()

  expect(await resultsOf(log, 'purchase-metrics')).toEqual([
    [null, 0, 5 * minute, { totalPurchases: 2, totalAmount: 3 }],
    [null, 5 * minute, 10 * minute, { totalPurchases: 1, totalAmount: 3 }],
  ])
  expect(job.status).toBe('stopped')
  expect(job.stats()).toMatchObject({ recordsIn: 4, recordsOut: 2, late: 0, openWindows: 0, lag: 0 })
})

it('gives a result per key and window as soon as the watermark passes its end', async () => {
  const log = await memoryLog()
  await log.createTopic('flights')
  const flight = (origin: string, timestamp: number, delay: number) => ({ timestamp, payload: { origin, delay } })
  await publish(log, 'flights', flight('LAX', 1, 10), flight('SFO', 2, 20), flight('LAX', 3, 40), flight('LAX', 100, 7))
  const job = await new StreamProcessor(log, { id: 'delays' })
    .source({ topic: 'flights', decode: record => JSON.parse(Buffer.from(record.value!).toString()) as Flight })
    .keyBy(flight => flight.origin)
    .window(100)
    .aggregate({ flights: count(), total: sum(flight => flight.delay), worst: max(flight => flight.delay) })
    .sink('delays')
    .start()
  await job.drain()
  expect(await resultsOf(log, 'delays')).toEqual([
    ['LAX', 0, 100, { flights: 2, total: 50, worst: 40 }],
    ['SFO', 0, 100, { flights: 1, total: 20, worst: 20 }],
    ['LAX', 100, 200, { flights: 1, total: 7, worst: 7 }],
  ])
})
interface Flight {
  origin: string
  delay: number
}

it('goes on where the last job has stopped', async () => {
  const log = await memoryLog()
  await log.createTopic('numbers', { partitions: 3 })
  const doubled = new StreamProcessor(log, { id: 'doubled' })
    .source('numbers')
    .map(n => n * 2)
    .sink('doubled')
  for (const round of [[1, 2, 3], [], [4]]) {
    await publish(log, 'numbers', ...round.map(payload => ({ payload, partition: payload % 3 })))
    await (await doubled.start()).drain()
  }
  expect(await payloadsOf(log, 'doubled')).toEqual([2, 4, 6, 8])
  expect((await recordsOf(log, 'doubled')).map(({ partition }) => partition)).toEqual([1, 2, 0, 1])
})
