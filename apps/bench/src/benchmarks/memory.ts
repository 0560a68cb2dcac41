import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'

const megabytes = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().rss / 1e6
}

/** How much the process has grown after many messages, published and consumed; printed, for it is no rate. */
export const benchmark: Benchmark = {
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('orders', { partitions: 4 })
    const subscription = await pubsub.subscribe('orders', { groupId: 'g' })
    const consuming = subscription.run(() => undefined)
    const round = size(500_000)
    const figures: string[] = []
    for (let done = 0; done < 4; done++) {
      await inFlight(round, 1000, n => pubsub.publish('orders', { payload: order(n) }))
      figures.push(`${((done + 1) * round).toLocaleString('en-US')}: ${megabytes().toFixed(0)} MB`)
    }
    await subscription.close()
    await consuming
    console.error(`memory (resident) after so many messages published and consumed: ${figures.join(', ')}`)
    return []
  },
}
