import { NatsCluster } from '@aegis/nats-server'
import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

describeWithServer('a server that is cut off from the others, and still reached by its clients', () => {
  it('holds nobody up for long: appends, reads and followers go on at another', async () => {
    await using cluster = await NatsCluster.start(3, { network: true })
    const { network } = cluster
    // All but the first refuse: the client is with the first, and knows the others.
    for (const proxy of network.clients.slice(1)) proxy.cut()
    const log = await connectLog({ url: cluster.urls.join(','), replicas: 3, requestTimeout: '60s' })
    onTestFinished(() => log.close())
    network.restore()
    await log.createTopic('t')
    const follower = log.follow('t', { positions: new Map([[0, 0]]) })
    await log.append('t', { value: 'before' })
    for (const route of network.routesOf(0)) route.cut()
    await log.append('t', { value: 'during' })
    expect((await log.read('t', 0, { from: 0 })).records.length).toBe(2)
    const followed: string[] = []
    while (followed.length < 2) {
      const page = await follower.next()
      followed.push(...(page?.records ?? []).map(({ value }) => Buffer.from(value ?? []).toString()))
    }
    expect(followed).toEqual(['before', 'during'])
  })
})
