// Publishes sales, each batch with its own position in one transaction, and totals them per hour; until it is killed
// or has nothing more to do. Arguments: folder, number of sales, form of the aggregate.
import { openLog } from '@aegis/log'
import { count, StreamProcessor, sum } from '../../dist/index.js'
import { saleAt } from './sales.mjs'

const [dataDir = '', total, form] = process.argv.slice(2)
const log = await openLog({ dataDir })
await log.createTopic('sales', { partitions: 4 })
const windows = new StreamProcessor(log, { id: 'hourly' })
  .source('sales')
  .keyBy(sale => sale.shop)
  .window('1h')
const job = await (form === 'function'
  ? windows.aggregate(sales => ({ n: sales.length, total: sales.reduce((sum, { amount }) => sum + amount, 0) }))
  : windows.aggregate({ n: count(), total: sum((/** @type {{ amount: number }} */ sale) => sale.amount) })
)
  .sink('hourly')
  .start()
console.log('started')

const key = Buffer.from('next')
for (;;) {
  const stored = await log.getState('feed', key)
  const next = stored === undefined ? 0 : Number(new TextDecoder().decode(stored))
  if (next >= Number(total)) break
  await log.transaction(tx => {
    const end = Math.min(next + 50, Number(total))
    for (let n = next; n < end; n++) {
      const { time, ...sale } = saleAt(n)
      tx.append('sales', { key: Buffer.from(sale.shop), value: Buffer.from(JSON.stringify(sale)), timestamp: time })
    }
    tx.putState('feed', key, Buffer.from(String(end)))
  })
}
await job.drain()
await log.close()
console.log('done')
