import { setTimeout } from 'node:timers/promises'
import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import type { Benchmark } from '../benchmark.ts'
import { order } from '../data.ts'
import { measure, row } from '../measure.ts'

export const benchmark: Benchmark = {
  about: 'Jobs: handlers that wait, side by side in order of their keys, and the same work shared by members',
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('jobs', { partitions: 4 })
    const fill = async (count: number): Promise<void> => {
      for (let from = 0; from < count; from += 1000) {
        const messages = Array.from({ length: Math.min(1000, count - from) }, (_, n) => ({
          key: `key-${(from + n) % 1000}`,
          payload: order(from + n),
        }))
        await pubsub.publishMany('jobs', messages)
      }
    }
    const waiting = size(2_000)
    await fill(waiting)
    const keyed = (concurrency: number) =>
      measure(waiting, async run => {
        const groupId = `keyed-${concurrency}-${run}`
        const subscription = await pubsub.subscribe('jobs', { groupId, from: 'earliest' })
        let done = 0
        await subscription.run(
          async () => {
            await setTimeout(1)
            if (++done === waiting) void subscription.close()
          },
          { concurrency },
        )
      })
    const one = await keyed(1)
    const many = await keyed(100)

    const jobs = size(100_000)
    await fill(jobs)
    const total = waiting + jobs
    const handled = async (groupId: string, mode: 'partitioned' | 'shared', members: number): Promise<void> => {
      let done = 0
      const subscriptions = await Promise.all(
        Array.from({ length: members }, () => pubsub.subscribe('jobs', { groupId, from: 'earliest', mode })),
      )
      await Promise.all(
        subscriptions.map(subscription =>
          subscription.run(
            async () => {
              if (++done === total) for (const other of subscriptions) void other.close()
            },
            { concurrency: 50, order: 'none' },
          ),
        ),
      )
    }
    const partitioned = await measure(total, run => handled(`partitioned-${run}`, 'partitioned', 4))
    const shared = await measure(total, run => handled(`shared-${run}`, 'shared', 10))
    return [
      row('jobs of 1 ms in order of their keys, 100 at a time', 'jobs', many, 'one at a time', one),
      row('jobs that do nothing, a shared group of 10 members', 'jobs', shared, 'a group of 4 members', partitioned),
    ]
  },
}
