import { openLog } from '@aegis/log'
import { findPrograms, NatsServer } from '@aegis/nats-server'
import { PubSub } from '@aegis/pubsub'
import { jetstream as client, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { measure, row } from '../measure.ts'

export const benchmark: Benchmark = {
  about: 'The same messages published to a JetStream server on this machine, where one is installed',
  async run({ folder, size }) {
    const [program] = await findPrograms()
    if (program === undefined) {
      console.error('jetstream: left out, for no nats-server is installed')
      return []
    }
    await using server = await NatsServer.start({ program })
    const connection = await connect({ servers: server.url })
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: 'orders', subjects: ['orders'] })
    const js = client(connection)
    const count = size(50_000)
    const theirs = await measure(count, () =>
      inFlight(count, 1000, n => js.publish('orders', JSON.stringify(order(n)))),
    )
    await connection.close()
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('orders')
    const ours = await measure(count, () => inFlight(count, 1000, n => pubsub.publish('orders', { payload: order(n) })))
    const against = `JetStream ${program.version}, file, acknowledged before fsync`
    return [row('publish JSON of 100 bytes, 1,000 in flight, fsync', 'messages', ours, against, theirs, 10)]
  },
}
