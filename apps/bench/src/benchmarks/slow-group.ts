import { setTimeout } from 'node:timers/promises'
import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { limitRow } from '../measure.ts'
import { resident } from '../resident.ts'

export const benchmark: Benchmark = {
  about:
    'How much the process grows while one group falls ever further behind nine others: the second half against the first, in which LevelDB fills its write buffer',
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
    const rounds = 16
    const figures: number[] = []
    for (let done = 0; done < rounds; done++) {
      await inFlight(round, 1000, n => pubsub.publish('orders', { payload: order(n) }))
      figures.push(await resident())
    }
    await Promise.all(subscriptions.map(subscription => subscription.close()))
    await Promise.all(running)
    console.error(
      `after each ${round} messages, ${slow} of all for the slow group: ${figures.map(Math.round).join(', ')} MB`,
    )
    const growth = Math.max(...figures.slice(rounds / 2)) - Math.max(...figures.slice(0, rounds / 2))
    const messages = ((rounds / 2) * round).toLocaleString('en-US')
    return [limitRow(`growth by ${messages} messages, one slow and nine fast groups`, 'MB', Math.max(1, growth), 64)]
  },
}
