import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { NatsServer, NetworkProxy } from '@aegis/nats-server'
import { expect, it, onTestFinished } from 'vitest'
import { describeEachServer, describeWithServer } from '../../../tooling/test/with-nats-server.ts'
import { type ClusterLog, connectLog, type LogStatus } from '../src/index.ts'

const text = (value: Uint8Array | null): string => Buffer.from(value ?? []).toString()
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

/** A server behind a network that can fail, and a log that is connected through it. */
async function behindProxy(
  requestTimeout = 30_000,
): Promise<{ server: NatsServer; proxy: NetworkProxy; log: ClusterLog }> {
  const server = await NatsServer.start()
  const proxy = await NetworkProxy.start(server.port)
  const log = await connectLog({ url: proxy.url, requestTimeout })
  onTestFinished(async () => {
    proxy.restore()
    await log.close()
    await proxy[Symbol.asyncDispose]()
    await server.stop()
  })
  return { server, proxy, log }
}

async function seen(log: ClusterLog, topic: string): Promise<string[]> {
  const { records } = await log.read(topic, 0, { from: 0, maxRecords: 10_000 })
  return records.map(({ value }) => text(value))
}

describeWithServer('a connection', () => {
  it('is made to one of several servers that answers a moment later', async () => {
    const server = await NatsServer.start()
    let connections = 0
    const door = createServer(client => {
      connections++
      client.on('error', () => undefined)
      if (connections === 1) return client.destroy()
      const through = createConnection(server.port, '127.0.0.1')
      through.on('error', () => client.destroy())
      client.pipe(through).pipe(client)
    }).listen(0, '127.0.0.1')
    await once(door, 'listening')
    const { port } = door.address() as AddressInfo
    const log = await connectLog({ url: `nats://127.0.0.1:1,nats://127.0.0.1:${port}` })
    await log.createTopic('t')
    expect(connections).toBe(2)
    await log.close()
    door.close()
    await server.stop()
  })

  it('that is cut again and again loses and doubles nothing of what is appended and followed', async () => {
    const { proxy, log } = await behindProxy()
    await log.createTopic('t')
    const follower = log.follow('t', { positions: new Map([[0, 0]]) })
    const followed: string[] = []
    const reading = (async () => {
      while (followed.length < 300) {
        const page = await follower.next()
        for (const { value } of page?.records ?? []) followed.push(text(value))
      }
    })()
    for (const n of upTo(300)) {
      const appended = log.append('t', { value: `${n}` })
      // In the middle of it: the answer may be lost, or the question.
      if (n % 50 === 25) proxy.drop()
      await appended
    }
    await reading
    expect(followed).toEqual(upTo(300).map(String))
    expect(await seen(log, 't')).toEqual(upTo(300).map(String))
  })

  it('whose answers are lost stores each append and each transaction once', async () => {
    const { server, proxy, log } = await behindProxy()
    await log.createTopic('t')
    await log.createTopic('u')
    await log.createTopic('streams', { keyed: 'history' })
    await log.append('t', { value: 'first' })
    await log.append('streams', { key: 'k', value: 'first' })
    // The servers hear and store what we send, and we hear nothing of it.
    proxy.silenceServer()
    const append = log.append('t', { value: 'second' })
    const event = log.append('streams', { key: 'k', value: 'event' }, { expected: 0 })
    const transaction = log.capabilities.transactions
      ? log.transaction(tx => {
          tx.append('u', { value: 'third' })
          tx.putState('s', Buffer.from('k'), Buffer.from('v'))
        })
      : undefined
    // The cut comes when the server has it all, as somebody sees who hears it.
    const direct = await connectLog({ url: server.url })
    onTestFinished(() => direct.close())
    const others = transaction ? ['third'] : []
    await expect.poll(() => seen(direct, 't')).toEqual(['first', 'second'])
    await expect.poll(() => seen(direct, 'u')).toEqual(others)
    await expect.poll(async () => (await direct.history('streams', Buffer.from('k'))).length).toBe(2)
    proxy.drop()
    await Promise.all([append, event, transaction])
    expect(await seen(log, 't')).toEqual(['first', 'second'])
    expect(await seen(log, 'u')).toEqual(others)
    expect((await log.history('streams', Buffer.from('k'))).map(({ version }) => version)).toEqual([0, 1])
  })

  it('whose answers are lost keeps the order of the calls, with and without a producer and in transactions', async () => {
    const { server, proxy, log } = await behindProxy()
    if (!log.capabilities.transactions) return
    await log.createTopic('t')
    await log.append('t', { value: 'first' })
    proxy.silenceServer()
    const appended = [
      log.append('t', { value: 'second' }),
      log.append('t', { value: 'third' }, { producer: { id: 'p', sequence: 0 } }),
      log.append('t', { value: 'fourth' }),
      log.transaction(tx => tx.append('t', { value: 'fifth' })),
    ]
    const direct = await connectLog({ url: server.url })
    onTestFinished(() => direct.close())
    await expect.poll(() => seen(direct, 't')).toEqual(['first', 'second'])
    proxy.drop()
    await Promise.all(appended)
    expect(await seen(log, 't')).toEqual(['first', 'second', 'third', 'fourth', 'fifth'])
  })

  it('that does not come back fails what was asked for, by name, and hangs nothing', async () => {
    const { proxy, log } = await behindProxy(1_500)
    await log.createTopic('t')
    proxy.cut()
    const asked = [
      () => log.append('t', { value: 'v' }),
      () => log.read('t', 0, { from: 0 }),
      () => log.endOffset('t'),
      () => log.createTopic('u'),
      () => log.commitPosition({ groupId: 'g', topic: 't', partition: 0, offset: 0 }),
      () => log.describeGroup('g', 't'),
    ]
    const codes = await Promise.all(asked.map(ask => ask().then(String, (error: { code?: string }) => error.code)))
    expect(codes).toEqual(asked.map(() => 'CLUSTER_UNREACHABLE'))
    proxy.restore()
    await expect.poll(() => log.append('t', { value: 'again' }).then(() => 'done', String)).toBe('done')
  })

  it('says what is happening to it, to the end', async () => {
    const { proxy, log } = await behindProxy()
    const types: LogStatus['type'][] = []
    const watching = (async () => {
      for await (const { type } of log.status()) if (types.at(-1) !== type) types.push(type)
    })()
    proxy.drop()
    await expect.poll(() => types).toContain('reconnected')
    await log.close()
    await watching
    expect(types.filter(type => type !== 'reconnecting')).toEqual(['disconnected', 'reconnected', 'closed'])
  })

  it('survives the server: killed and started again, it goes on', async () => {
    const { server, log } = await behindProxy()
    await log.createTopic('t')
    const follower = log.follow('t', { positions: new Map([[0, 0]]) })
    await log.append('t', { value: 'before' })
    await server.kill()
    const during = log.append('t', { value: 'during' })
    await server.restart()
    await during
    const followed: string[] = []
    while (followed.length < 2) for (const { value } of (await follower.next())!.records) followed.push(text(value))
    expect(followed).toEqual(['before', 'during'])
  })
})

describeEachServer('signing in', servers => {
  const accounts = {
    'a user and a password': {
      configuration: 'authorization { user: ada, password: secret }',
      right: { user: 'ada', password: 'secret' },
      wrong: { user: 'ada', password: 'guess' },
    },
    'a token': {
      configuration: 'authorization { token: "t0ken" }',
      right: { token: 't0ken' },
      wrong: { token: 'guess' },
    },
    'an NKey': {
      configuration: 'authorization { users: [{ nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 }] }',
      right: { nkeySeed: 'SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY' },
      wrong: { nkeySeed: 'SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU' },
    },
  }
  for (const [name, { configuration, right, wrong }] of Object.entries(accounts)) {
    it(`with ${name} works, and is refused by name when they are wrong or missing`, async () => {
      await using server = await NatsServer.start({ ...servers, configuration })
      for (const options of [wrong, {}]) {
        const refused = connectLog({ url: server.url, ...options })
        await expect(refused).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' })
      }
      const log = await connectLog({ url: server.url, ...right })
      await log.createTopic('t')
      await log.close()
    })
  }

  it('takes user and password from the address, too', async () => {
    await using server = await NatsServer.start({
      ...servers,
      configuration: 'authorization { user: ada, password: "p:s" }',
    })
    const log = await connectLog({ url: server.url.replace('nats://', 'nats://ada:p%3As@') })
    await log.close()
  })

  it('whose user may not write what is appended is refused, and waits for no answer', async () => {
    await using server = await NatsServer.start({
      ...servers,
      configuration:
        'authorization { users: [{ user: ada, password: p, permissions: { publish: { deny: "aegis.record.>" } } }] }',
    })
    const log = await connectLog({ url: server.url.replace('nats://', 'nats://ada:p@') })
    onTestFinished(() => log.close())
    await log.createTopic('t')
    // Waiting for an answer would end with CLUSTER_UNREACHABLE.
    await expect(log.append('t', { value: 'v' })).rejects.toMatchObject({ code: 'CLUSTER_REFUSED' })
  })
})

describeWithServer('connecting', () => {
  it.each([
    [{ url: 'localhost' }, 'CONNECT_INVALID', 'url is "localhost"'],
    [{ url: 'http://localhost' }, 'CONNECT_INVALID', 'nats://localhost:4222'],
    [{ url: 'nats://127.0.0.1:1' }, 'CONNECT_FAILED', 'nats://127.0.0.1:1'],
    [{ url: 'nats://x', domain: 'a.b' }, 'CONNECT_INVALID', 'domain is "a.b"'],
    [{ url: 'nats://x', requestTimeout: '10m' }, 'CONNECT_INVALID', 'requestTimeout is "10m"'],
    [{ url: 'nats://x', replica: 3 }, 'CONNECT_INVALID', '"replica" is not known'],
    [{ url: 'nats://x', credentialsFile: '/nowhere' }, 'CONNECT_INVALID', '/nowhere cannot be read'],
  ])('%j is refused with %s', async (options, code, message) => {
    await expect(connectLog(options)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  })

  it('to a server without JetStream, or with fewer servers than copies asked for, is refused by name', async () => {
    await using server = await NatsServer.start()
    await expect(connectLog({ url: server.url, replicas: 3, requestTimeout: 1_000 })).rejects.toMatchObject({
      code: 'CLUSTER_REFUSED',
    })
    await expect(connectLog({ url: server.url, replicas: 2 })).rejects.toMatchObject({ code: 'CONNECT_INVALID' })
  })
})
