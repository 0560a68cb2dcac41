import { openLog } from '@aegis/log'
import { count, StreamProcessor, sum } from '@aegis/processing'
import type { Benchmark } from '../benchmark.ts'
import { order } from '../data.ts'
import { measure, row } from '../measure.ts'

export const benchmark: Benchmark = {
  about: 'A windowed aggregation by key against a loop that parses the same JSON and keeps the same sums',
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    await log.createTopic('orders', { partitions: 4 })
    const total = size(200_000)
    const texts: Buffer[] = []
    for (let from = 0; from < total; from += 1000) {
      const records = Array.from({ length: Math.min(1000, total - from) }, (_, n) => {
        const { customer, at, ...rest } = order(from + n)
        const value = Buffer.from(JSON.stringify({ customer, at, ...rest }))
        texts.push(value)
        return { key: Buffer.from(String(customer)), value, timestamp: at }
      })
      await log.append('orders', records)
    }
    const bare = await measure(total, () => {
      const sums = new Map<string, { orders: number; amount: number }>()
      for (const text of texts) {
        const { customer, at, amount } = JSON.parse(text.toString('utf8'))
        const id = `${customer} ${Math.floor(at / 10_000)}`
        const before = sums.get(id) ?? { orders: 0, amount: 0 }
        sums.set(id, { orders: before.orders + 1, amount: before.amount + amount })
      }
    })
    const ours = await measure(total, async run => {
      const job = await new StreamProcessor(log, { id: `sums-${run}` })
        .source('orders')
        .keyBy(({ customer }) => customer)
        .window('10s')
        .aggregate({ orders: count(), amount: sum(({ amount }) => amount) })
        .sink(`sums-${run}`)
        .start()
      await job.drain()
    })
    return [row('windows of 10 s by key, exactly once', 'records', ours, 'a loop that parses and sums', bare)]
  },
}
