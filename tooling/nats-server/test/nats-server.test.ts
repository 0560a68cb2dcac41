import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { describe, expect, it } from 'vitest'
import { compareVersions, findPrograms, NatsCluster, NatsServer, NetworkProxy } from '../src/index.ts'

const programs = await findPrograms()
if (programs.length === 0 && process.env['CI'] === 'true') throw new Error('no nats-server is installed')

it('orders versions by number', () => {
  expect(['2.9.0', '2.12.1', '2.10.3'].sort(compareVersions)).toEqual(['2.9.0', '2.10.3', '2.12.1'])
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

  it('replicates in a cluster, which survives the loss of one', async () => {
    await using cluster = await NatsCluster.start(3)
    const connection = await connect({ servers: cluster.urls })
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: 's', subjects: ['s.*'], num_replicas: 3 })
    const client = jetstream(connection)
    await client.publish('s.a', '1')
    await cluster.servers[0]!.kill()
    await expect
      .poll(
        () =>
          client.publish('s.a', '2').then(
            ack => ack.seq,
            () => 0,
          ),
        { timeout: 60_000 },
      )
      .toBeGreaterThan(1)
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
