import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import { createClient } from 'redis'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { measure, row } from '../measure.ts'

/** A server that answers when what it was told is on the disk; undefined where none is installed. */
async function startRedis(folder: string): Promise<{ server: ChildProcess; path: string } | undefined> {
  const path = join(folder, 'redis.sock')
  const options = ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', '', '--appendonly', 'yes']
  const server = spawn('redis-server', [...options, '--appendfsync', 'always'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const started = await Promise.race([once(server, 'spawn'), once(server, 'error').then(() => undefined)])
  return started === undefined ? undefined : { server, path }
}

/** The same messages added to a stream of Redis, each acknowledged after fsync, through its usual Node client. */
export const benchmark: Benchmark = {
  async run({ folder, size }) {
    const redis = await startRedis(await folder())
    if (redis === undefined) {
      console.error('redis: left out, for no redis-server is installed')
      return []
    }
    // Its socket is there a moment after it is started.
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
    redis.server.kill()
    await once(redis.server, 'exit')
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('orders')
    const ours = await measure(count, () => inFlight(count, 1000, n => pubsub.publish('orders', { payload: order(n) })))
    const work = 'publish JSON of 100 bytes, 1,000 in flight, fsync'
    return [row(work, 'messages', ours, `Redis ${version} Streams, appendfsync always`, theirs, 5)]
  },
}
