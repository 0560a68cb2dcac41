import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { describe, expect, it } from 'vitest'
import {
  compareVersions,
  findPrograms,
  freePorts,
  inTime,
  NatsCluster,
  NatsServer,
  NetworkProxy,
} from '../src/index.ts'

const programs = await findPrograms()
if (programs.length === 0 && process.env['CI'] === 'true') throw new Error('no nats-server is installed')

it('orders versions by number', () => {
  expect(['2.9.0', '2.12.1', '2.10.3'].sort(compareVersions)).toEqual(['2.9.0', '2.10.3', '2.12.1'])
})

it('gives ports that no system gives to others between here and the start of a server', async () => {
  const ports = await freePorts(50)
  expect(new Set(ports).size).toBe(50)
  for (const port of ports) expect(port).toBeLessThan(32_768)
})

it('says what it has waited for in vain', async () => {
  const never = new Promise(() => undefined)
  await expect(inTime(never, 1, () => 'the end of days')).rejects.toThrow('waited 0.001 s in vain for the end of days')
  expect(await inTime(Promise.resolve('there'), 60_000, () => '')).toBe('there')
})

describe.skipIf(programs.length === 0)('a server that was started for a test', { timeout: 120_000 }, () => {
  it('keeps what it acknowledged over a kill and a restart', async () => {
    await using server = await NatsServer.start({ jetstream: 'sync_interval: always' })
    const first = await connect({ servers: server.url })
    const manager = await jetstreamManager(first)
    await manager.streams.add({ name: 's', subjects: ['s.*'] })
    await jetstream(first).publish('s.a', 'hello')
    const closed = first.closed()
    await server.kill()
    await first.close()
    await closed
    await server.restart()
    const second = await connect({ servers: server.url })
    expect((await (await jetstreamManager(second)).streams.info('s')).state.messages).toBe(1)
    await second.close()
  })

  it('that is frozen is ended all the same', async () => {
    const server = await NatsServer.start()
    server.pause()
    await server.stop()
  })

  it('replicates in a cluster, which survives the loss of one', async () => {
    await using cluster = await NatsCluster.start(3)
    const connection = await connect({ servers: cluster.urls })
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: 's', subjects: ['s.*'], num_replicas: 3 })
    const client = jetstream(connection)
    /** The sequence that it has; 0 while the stream has no leader that this server knows of. */
    const publish = (text: string): Promise<number> =>
      client.publish('s.a', text).then(
        ack => ack.seq,
        () => 0,
      )
    await expect.poll(() => publish('1')).toBeGreaterThan(0)
    await cluster.servers[0]!.kill()
    await expect.poll(() => publish('2')).toBeGreaterThan(1)
    await connection.close()
  })

  it('is lost behind a cut network, and found again when it is restored', async () => {
    await using server = await NatsServer.start()
    await using proxy = await NetworkProxy.start(server.port)
    const connection = await connect({ servers: proxy.url, reconnectTimeWait: 20, maxReconnectAttempts: -1 })
    const states: string[] = []
    const watching = (async () => {
      for await (const { type } of connection.status()) {
        states.push(type)
        if (type === 'reconnect') return
      }
    })()
    proxy.cut()
    await expect.poll(() => states).toContain('disconnect')
    proxy.restore()
    await watching
    await connection.flush()
    await connection.close()
  })
})

describe.skipIf(programs.length === 0)('a cluster with a network that can fail', { timeout: 120_000 }, () => {
  it('has another leader when the leader is cut off from the others, and one again when it is restored', async () => {
    await using cluster = await NatsCluster.start(3, { network: true })
    const connections = await Promise.all(
      cluster.urls.map(servers => connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 20 })),
    )
    const manager = await jetstreamManager(connections[0]!)
    await manager.streams.add({ name: 's', subjects: ['s.*'], num_replicas: 3 })
    /** As a server says; `'nobody'` while it cannot. */
    const leader = async (at: number): Promise<string> => {
      const asked = await jetstreamManager(connections[at]!, { checkAPI: false, timeout: 1_000 })
      return asked.streams.info('s').then(
        ({ cluster: found }) => found?.leader ?? 'nobody',
        () => 'nobody',
      )
    }
    let first = 'nobody'
    await expect.poll(async () => (first = await leader(0))).toMatch(/^node/)
    const before = Number(first.slice(-1)) - 1
    const other = (before + 1) % 3
    for (const route of cluster.network.routesOf(before)) route.cut()
    const others = ['node1', 'node2', 'node3'].filter((_, at) => at !== before)
    await expect.poll(() => leader(other)).toSatisfy((name: string) => others.includes(name))
    cluster.network.restore()
    // Whoever leads by now: it may be another again.
    await expect
      .poll(async () => [await leader(before), await leader(other)])
      .toSatisfy(([one, another]: string[]) => one === another && one !== 'nobody')
    await Promise.all(connections.map(connection => connection.close()))
  })
})

it('what is delayed arrives in order, also when the delay ends', async () => {
  const received: Buffer[] = []
  const server = createServer(socket => socket.on('data', chunk => received.push(chunk)).on('end', () => socket.end()))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  await using proxy = await NetworkProxy.start((server.address() as AddressInfo).port)
  const client = createConnection(proxy.port, '127.0.0.1')
  proxy.delay(50)
  client.write('first ')
  await expect.poll(() => client.bytesWritten).toBe(6)
  await expect.poll(() => Buffer.concat(received).toString()).toBe('first ')
  client.write('second ')
  // It has come to the proxy, and waits there.
  await new Promise<void>(resolve => client.write('', () => resolve()))
  proxy.restore()
  client.end('third')
  await once(client, 'close')
  expect(Buffer.concat(received).toString()).toBe('first second third')
  server.close()
})
