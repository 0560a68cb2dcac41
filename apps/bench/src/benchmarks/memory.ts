import { openLog } from '@aegis/log'
import { count, StreamProcessor } from '@aegis/processing'
import { PubSub } from '@aegis/pubsub'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { limitRow } from '../measure.ts'
import { resident } from '../resident.ts'

export const benchmark: Benchmark = {
  about:
    'How much the process grows while many messages are published, consumed and aggregated, from the first fifth on: by then LevelDB has filled both of its write buffers, which it keeps',
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('orders', { partitions: 4 })
    const total = size(10_000_000)
    const round = total / 100
    let consumed = 0
    let caughtUp: (() => void) | undefined
    const subscription = await pubsub.subscribe('orders', { groupId: 'g' })
    const consuming = subscription.run(() => {
      if (++consumed % round === 0) caughtUp?.()
    })
    const job = await new StreamProcessor(log, { id: 'counts' })
      .source('orders')
      .timestampBy(({ at }) => at)
      .keyBy(({ customer }) => customer)
      .window('10s')
      .aggregate({ orders: count() })
      .sink('counts')
      .start()
    const fresh = await resident()
    let start = fresh
    for (let done = 0; done < 100; done++) {
      const all = new Promise<void>(resolve => (caughtUp = resolve))
      await inFlight(round, 1000, n => pubsub.publish('orders', { payload: order(done * round + n) }))
      await all
      if (done === 19) start = await resident()
      if (done % 10 === 9) console.error(`  ${(done + 1) * round} messages: ${(await resident()).toFixed(0)} MB`)
    }
    await job.drain()
    const end = await resident()
    await subscription.close()
    await consuming
    console.error(
      `  fresh ${fresh.toFixed(0)} MB, after a fifth ${start.toFixed(0)} MB, at the end ${end.toFixed(0)} MB`,
    )
    const messages = total.toLocaleString('en-US')
    return [
      limitRow(
        `growth by ${messages} messages published, consumed and aggregated, from a fifth of them on`,
        'MB',
        Math.max(1, end - start),
        64,
      ),
    ]
  },
}
