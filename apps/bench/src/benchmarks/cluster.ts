import { connectLog } from '@aegis/log-jetstream'
import { findPrograms, NatsCluster, NatsServer } from '@aegis/nats-server'
import { PubSub } from '@aegis/pubsub'
import { AckPolicy, type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { measure, type Row, row } from '../measure.ts'

/** Records in a message of the loop that packs them itself. */
const packed = 1_000

export const benchmark: Benchmark = {
  about:
    'The log on one server and on three, against plain nats.js message by message, and against a loop of nats.js that packs 1,000 records into a message',
  async run({ size }) {
    if ((await findPrograms()).length === 0) {
      console.error('cluster: left out, for no nats-server is installed')
      return []
    }
    await using one = await NatsServer.start()
    const alone = await compared('one server', [one.url], 1, size)
    await using three = await NatsCluster.start(3)
    return [...alone, ...(await compared('three servers', three.urls, 3, size))]
  },
}

async function compared(
  where: string,
  servers: string[],
  replicas: 1 | 3,
  size: (count: number) => number,
): Promise<Row[]> {
  const connection = await connect({ servers })
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name: 'plain', subjects: ['plain.*'], num_replicas: replicas })
  const client = jetstream(connection)
  const log = await connectLog({ url: servers.join(','), replicas })
  const pubsub = new PubSub(log)
  await pubsub.createTopic('orders')
  try {
    const [many, few, single] = [size(100_000), size(10_000), size(1_000)]
    const ours = await measure(many, () => inFlight(many, 1_000, n => pubsub.publish('orders', { payload: order(n) })))
    const plain = await measure(few, () =>
      inFlight(few, 1_000, n => client.publish('plain.one', JSON.stringify(order(n)))),
    )
    const packing = await measure(many, () =>
      inFlight(many / packed, 4, n =>
        client.publish('plain.packed', JSON.stringify(Array.from({ length: packed }, (_, at) => order(n + at)))),
      ),
    )
    const promised = await measure(many, () => inFlight(many, 1_000, packedWithPromises(client)))
    const together = await measure(many, () =>
      inFlight(many / packed, 4, n =>
        pubsub.publishMany(
          'orders',
          Array.from({ length: packed }, (_, at) => ({ payload: order(n + at) })),
        ),
      ),
    )
    const awaited = await measure(single, () =>
      inFlight(single, 1, n => pubsub.publish('orders', { payload: order(n) })),
    )
    const awaitedPlain = await measure(single, () =>
      inFlight(single, 1, n => client.publish('plain.awaited', JSON.stringify(order(n)))),
    )
    const consumed = await measure(many, async () => {
      let left = many
      for await (const { payload } of await pubsub.subscribe<{ amount: number }>('orders', { from: 'earliest' })) {
        if (payload.amount >= 0 && --left === 0) break
      }
    })
    const consumedPlain = await measure(few, () => consume(connection, 'plain.one', few, data => JSON.parse(data)))
    const consumedPacked = await measure(many, () =>
      consume(connection, 'plain.packed', many / packed, data => JSON.parse(data)),
    )
    const publish = `publish JSON of 100 bytes, 1,000 in flight, ${where}`
    const read = `consume JSON of 100 bytes, ${where}`
    return [
      row(publish, 'messages', ours, 'nats.js, message by message', plain, 10),
      row(publish, 'messages', ours, 'nats.js, 1,000 records packed into a message', packing, 0.6),
      row(publish, 'messages', ours, 'nats.js, packed, and a promise for each message', promised),
      row(
        `publishMany of 1,000, 4 in flight, ${where}`,
        'messages',
        together,
        'nats.js, 1,000 records packed into a message',
        packing,
      ),
      row(`publish one at a time, ${where}`, 'messages', awaited, 'nats.js', awaitedPlain, 0.83),
      row(read, 'messages', consumed, 'nats.js, message by message', consumedPlain, 8),
      row(read, 'messages', consumed, 'nats.js, 1,000 records packed into a message', consumedPacked, 0.6),
    ]
  } finally {
    await log.close()
    await connection.close()
  }
}

/** What nobody can do without who gives each message a promise: all of one turn go into one message of the bare loop. */
function packedWithPromises(client: JetStreamClient): (n: number) => Promise<unknown> {
  let texts: string[] = []
  let sent: Promise<unknown> | undefined
  return n => {
    const offset = texts.push(JSON.stringify(order(n)))
    sent ??= new Promise(resolve => setImmediate(resolve)).then(() => {
      const data = `[${texts.join(',')}]`
      texts = []
      sent = undefined
      return client.publish('plain.promised', data)
    })
    return sent.then(() => ({ topic: 'orders', partition: 0, offset, timestamp: n }))
  }
}

/** Reads so many messages on a subject from the beginning. */
async function consume(
  connection: NatsConnection,
  subject: string,
  count: number,
  parse: (data: string) => unknown,
): Promise<void> {
  const manager = await jetstreamManager(connection)
  const { name } = await manager.consumers.add('plain', { ack_policy: AckPolicy.None, filter_subject: subject })
  const consumer = await jetstream(connection).consumers.get('plain', name)
  let left = count
  for await (const message of await consumer.consume({ max_messages: 1_000 })) {
    parse(message.string())
    if (--left === 0) break
  }
}
