import { setTimeout } from 'node:timers/promises'
import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'

const megabytes = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().rss / 1e6
}

/** How much the process grows while one group falls ever further behind nine others; printed, for it is no rate. */
export const benchmark: Benchmark = {
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('orders', { partitions: 4 })
    const subscriptions = await Promise.all(
      Array.from({ length: 10 }, (_, at) => pubsub.subscribe('orders', { groupId: `g${at}` })),
    )
    let slow = 0
    const running = subscriptions.map((subscription, at) =>
      subscription.run(
        at > 0
          ? () => undefined
          : async () => {
              slow++
              await setTimeout(10)
            },
      ),
    )
    const round = size(100_000)
    const figures: string[] = []
    for (let done = 0; done < 5; done++) {
      await inFlight(round, 1000, n => pubsub.publish('orders', { payload: order(n) }))
      figures.push(`${((done + 1) * round).toLocaleString('en-US')}: ${megabytes().toFixed(0)} MB`)
    }
    await Promise.all(subscriptions.map(subscription => subscription.close()))
    await Promise.all(running)
    console.error(`memory (resident) with a slow group, at ${slow} messages, and nine fast ones: ${figures.join(', ')}`)
    return []
  },
}
