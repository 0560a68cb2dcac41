import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { measure, type Row, row } from '../measure.ts'

/** Messages one by one, acknowledged after fsync, against the serialisation alone; batches against a plain file. */
export const benchmark: Benchmark = {
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('orders')
    await pubsub.createTopic('binary', { codec: 'bytes' })
    const count = size(200_000)
    const bare = await measure(count, () => {
      let length = 0
      for (let n = 0; n < count; n++) length += JSON.stringify(order(n)).length
      return length
    })
    const one = await measure(count, () => inFlight(count, 1000, n => pubsub.publish('orders', { payload: order(n) })))
    const alone = size(2000)
    const awaited = await measure(alone, () => inFlight(alone, 1, n => pubsub.publish('orders', { payload: order(n) })))
    const path = join(await folder(), 'plain')
    const file = openSync(path, 'a')
    const short = Buffer.alloc(110, 1)
    const synced = await measure(alone, () => {
      for (let n = 0; n < alone; n++) {
        writeSync(file, short)
        fdatasyncSync(file)
      }
    })
    const rows = [
      row('publish JSON of 100 bytes, 1,000 in flight, fsync', 'messages', one, 'bare JSON.stringify', bare),
      row(
        'publish JSON of 100 bytes, one at a time, fsync',
        'messages',
        awaited,
        'write 110 bytes + fdatasync',
        synced,
      ),
      await batches(log, file, size),
    ]
    closeSync(file)
    return rows
  },
}

async function batches(
  log: Awaited<ReturnType<typeof openLog>>,
  file: number,
  size: (count: number) => number,
): Promise<Row> {
  const records = Array.from({ length: 1000 }, () => ({ value: Buffer.alloc(100, 7) }))
  const bytes = Buffer.alloc(100_000, 7)
  const count = size(400)
  const ours = await measure(count * 1000, () => inFlight(count, 16, () => log.append('binary', records)))
  // What waits together is synced together, as the log does it.
  const plain = await measure(count * 1000, () => {
    for (let n = 0; n < count; n++) {
      writeSync(file, bytes)
      if (n % 16 === 15) fdatasyncSync(file)
    }
    fdatasyncSync(file)
  })
  return row(
    'append batches of 1,000 binary records of 100 bytes, fsync',
    'records',
    ours,
    'file append + fdatasync',
    plain,
  )
}
