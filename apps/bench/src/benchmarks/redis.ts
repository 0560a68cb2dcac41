import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import { createClient } from 'redis'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { measure, row } from '../measure.ts'
import { startRedis } from '../redis-server.ts'

export const benchmark: Benchmark = {
  about: 'The same messages added to a stream of Redis, each acknowledged after fsync, through its usual Node client',
  async run({ folder, size }) {
    await using redis = await startRedis(await folder(), 'always')
    if (redis === undefined) {
      console.error('redis: left out, for no redis-server is installed')
      return []
    }
    const reconnectStrategy = (retries: number): number | false => (retries < 100 ? 50 : false)
    const client = createClient({ socket: { path: redis.path, tls: false, reconnectStrategy } })
    client.on('error', () => undefined)
    await client.connect()
    const version = /redis_version:(\S+)/.exec(await client.info('server'))?.[1] ?? ''
    const count = size(50_000)
    const theirs = await measure(count, () =>
      inFlight(count, 1000, n => client.xAdd('orders', '*', { payload: JSON.stringify(order(n)) })),
    )
    client.destroy()
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('orders')
    const ours = await measure(count, () => inFlight(count, 1000, n => pubsub.publish('orders', { payload: order(n) })))
    const work = 'publish JSON of 100 bytes, 1,000 in flight, fsync'
    return [row(work, 'messages', ours, `Redis ${version} Streams, appendfsync always`, theirs, 5)]
  },
}
