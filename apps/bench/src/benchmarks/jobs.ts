import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Benchmark } from '../benchmark.ts'
import { order } from '../data.ts'
import { measure, type Rate, row } from '../measure.ts'
import { startRedis } from '../redis-server.ts'

const concurrency = 100

export const benchmark: Benchmark = {
  about: 'The same jobs, which do nothing, done by a shared subscription and by BullMQ with Redis on the same machine',
  async run({ folder, size }) {
    await using redis = await startRedis(await folder(), 'everysec')
    if (redis === undefined) {
      console.error('jobs: left out, for no redis-server is installed')
      return []
    }
    const count = size(20_000)
    const theirs = await bullmq(redis.path, count)
    const ours = await shared(await folder(), count)
    const against = 'BullMQ, Redis with appendfsync everysec'
    return [row('jobs done in shared mode, 100 at a time, fsync', 'jobs', ours, against, theirs, 10)]
  },
}

async function shared(dataDir: string, count: number): Promise<Rate> {
  await using log = await openLog({ dataDir })
  await using pubsub = new PubSub(log)
  return await measure(
    count,
    async run => {
      const subscription = await pubsub.subscribe(`jobs-${run}`, {
        groupId: 'workers',
        mode: 'shared',
        from: 'earliest',
      })
      let done = 0
      await subscription.run(
        async () => {
          if (++done === count) void subscription.close()
        },
        { concurrency, order: 'none' },
      )
    },
    async run => {
      await pubsub.createTopic(`jobs-${run}`)
      for (let from = 0; from < count; from += 1000) {
        const jobs = Array.from({ length: Math.min(1000, count - from) }, (_, n) => ({ payload: order(from + n) }))
        await pubsub.publishMany(`jobs-${run}`, jobs)
      }
    },
  )
}

async function bullmq(path: string, count: number): Promise<Rate> {
  const connections: Redis[] = []
  const connect = (): Redis => {
    // Blocking commands wait as long as it takes: BullMQ asks for it.
    const redis = new Redis({ path, maxRetriesPerRequest: null })
    // It tries again until the server has made its socket.
    redis.on('error', () => undefined)
    connections.push(redis)
    return redis
  }
  const rate = await measure(
    count,
    async run => {
      let done = 0
      let finish: () => void = () => undefined
      const finished = new Promise<void>(resolve => {
        finish = resolve
      })
      const worker = new Worker(`jobs-${run}`, async () => undefined, { connection: connect(), concurrency })
      worker.on('completed', () => {
        if (++done === count) finish()
      })
      await finished
      await worker.close()
    },
    async run => {
      const queue = new Queue(`jobs-${run}`, { connection: connect(), defaultJobOptions: { removeOnComplete: true } })
      for (let from = 0; from < count; from += 1000) {
        const some = Math.min(1000, count - from)
        await queue.addBulk(Array.from({ length: some }, (_, n) => ({ name: 'job', data: order(from + n) })))
      }
      await queue.close()
    },
  )
  for (const redis of connections) redis.disconnect()
  return rate
}
