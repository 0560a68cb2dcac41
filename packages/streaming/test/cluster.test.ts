import { Event } from '@aegis/eventstore'
import { count, sum } from '@aegis/processing'
import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { StreamingEngine } from '../src/index.ts'

interface User {
  id: number
  name: string
}

async function take<T>(items: AsyncIterable<T>, wanted: number): Promise<T[]> {
  const taken: T[] = []
  for await (const item of items) if (taken.push(item) === wanted) break
  return taken
}

describeWithServer(
  'an engine on a cluster',
  () => {
    const server = givenServer()

    const open = async (domain: string): Promise<StreamingEngine> => {
      const engine = await StreamingEngine.open({ url: server.url, cluster: { domain } })
      onTestFinished(() => engine.close())
      return engine
    }

    it('commits messages, rows and events of one transaction together, and nothing of one that throws', async () => {
      const engine = await open(server.domain())
      await engine.createTopic('orders', { partitions: 2 })
      const users = await engine.cdc.table<User>('users', { primaryKey: 'id' })
      const orders = await engine.subscribe('orders', { from: 'earliest' })
      const changes = await users.subscribe({ from: 'earliest', includeOldValues: true })
      const events = await engine.events.subscribe('account-*')
      const failing = engine.transaction(async tx => {
        await tx.cdc.table('users').insert({ id: 1, name: 'nobody' })
        await tx.events.append('account-1', new Event('Opened', {}))
        await tx.publish('orders', { payload: 0 })
        throw new Error('no')
      })
      await expect(failing).rejects.toThrow('no')
      await engine.transaction(async tx => {
        await tx.cdc.table('users').insert({ id: 1, name: 'Ada' })
        await tx.events.append('account-1', new Event('Opened', { owner: 'Ada' }), { expectedVersion: 'no-stream' })
        await tx.publish('orders', { key: 'a', payload: { amount: 1 } })
      })
      await users.update(1, { name: 'Ada L.' })
      await users.delete(1)

      expect((await take(orders, 1)).map(order => order.payload)).toEqual([{ amount: 1 }])
      expect(await take(changes, 3)).toMatchObject([
        { op: 'insert', newRow: { name: 'Ada' } },
        { op: 'update', oldRow: { name: 'Ada' }, newRow: { name: 'Ada L.' } },
        { op: 'delete', oldRow: { name: 'Ada L.' } },
      ])
      expect(await take(events, 1)).toMatchObject([{ streamId: 'account-1', type: 'Opened', version: 0 }])
      expect(await users.get(1)).toBe(undefined)
    })

    it('delivers to a group, after a restart, exactly what was not acknowledged', async () => {
      const domain = server.domain()
      const first = await open(domain)
      await first.createTopic('t')
      await first.publishMany(
        't',
        [1, 2, 3].map(payload => ({ payload })),
      )
      const options = { groupId: 'g', from: 'earliest' } as const
      const [one, two] = await (async () => {
        const subscription = await first.subscribe<number>('t', options)
        const messages = subscription[Symbol.asyncIterator]()
        return [(await messages.next()).value!, (await messages.next()).value!, await messages.next()] as const
      })()
      two.ack()
      await first.close()
      const second = await open(domain)
      const again = await second.subscribe<number>('t', options)
      expect((await take(again, 2)).map(({ payload }) => payload)).toEqual([one.payload, 3])
    })

    it('handles each message once under exactly-once, though handlers fail', async () => {
      const engine = await open(server.domain())
      await engine.createTopic('in')
      await engine.createTopic('out')
      await engine.publishMany(
        'in',
        Array.from({ length: 20 }, (_, payload) => ({ payload })),
      )
      const subscription = await engine.subscribe<number>('in', {
        groupId: 'g',
        from: 'earliest',
        delivery: 'exactly-once',
        backoff: 1,
      })
      const failed = new Set<number>()
      await subscription.run(async ({ payload }, tx) => {
        engine.pubsub.within(tx).publish('out', { payload })
        if (payload % 5 === 0 && !failed.has(payload)) {
          failed.add(payload)
          throw new Error('once')
        }
        if (payload === 19) void subscription.close()
      })
      const out = await engine.subscribe<number>('out', { from: 'earliest' })
      expect((await take(out, 20)).map(({ payload }) => payload)).toEqual(Array.from({ length: 20 }, (_, n) => n))
    })

    it('refuses an event appended on an old version, whoever has written the newer one', async () => {
      const domain = server.domain()
      const [here, there] = [await open(domain), await open(domain)]
      await here.events.append('s', new Event('A', 1), { expectedVersion: 'no-stream' })
      await there.events.append('s', new Event('B', 2), { expectedVersion: 0 })
      await expect(here.events.append('s', new Event('C', 3), { expectedVersion: 0 })).rejects.toMatchObject({
        details: { expected: 0, actual: 1 },
      })
      expect((await here.events.load('s')).map(({ type, version }) => [type, version])).toEqual([
        ['A', 0],
        ['B', 1],
      ])
    })

    it('closes the windows of a processor as anywhere, also when it goes on in another process', async () => {
      const domain = server.domain()
      const build = async (engine: StreamingEngine) =>
        engine
          .processor('metrics')
          .source('purchases')
          .timestampBy(e => e.at)
          .window('5m')
          .aggregate({ purchases: count(), amount: sum(e => e.total) })
          .sink('metrics')
          .start()
      const first = await open(domain)
      await first.createTopic('purchases', { partitions: 2 })
      const job = await build(first)
      await first.publishMany('purchases', [{ payload: { at: 0, total: 5 } }, { payload: { at: 1, total: 2 } }])
      await expect.poll(() => job.stats().recordsIn).toBe(2)
      await first.close()
      const second = await open(domain)
      await second.publish('purchases', { payload: { at: 299_999, total: 7 } })
      const again = await build(second)
      await again.drain()
      const results = await second.subscribe('metrics', { from: 'earliest' })
      expect((await take(results, 1)).map(({ payload }) => payload)).toEqual([{ purchases: 3, amount: 14 }])
    })

    it('shares the partitions of a group among engines, which together get every message once', async () => {
      const domain = server.domain()
      const engines = [await open(domain), await open(domain)]
      await engines[0]!.createTopic('t', { partitions: 4 })
      const got: number[] = []
      let finish: () => void = () => undefined
      const done = new Promise<void>(resolve => {
        finish = resolve
      })
      const subscriptions = []
      for (const engine of engines) {
        const subscription = await engine.subscribe<number>('t', { groupId: 'g', from: 'earliest' })
        subscriptions.push(subscription)
        void subscription.run(({ payload }) => {
          if (got.push(payload) === 100) finish()
        })
      }
      await engines[1]!.publishMany(
        't',
        Array.from({ length: 100 }, (_, n) => ({ key: `k${n}`, payload: n })),
      )
      await done
      await Promise.all(subscriptions.map(subscription => subscription.close()))
      expect(got.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n))
      const { positions } = await engines[0]!.log.describeGroup('g', 't')
      expect(positions.map(({ lag }) => lag)).toEqual([0, 0, 0, 0])
    })

    it('is refused without its servers, and with the wrong domain, by name', async () => {
      await expect(StreamingEngine.open({ url: 'nats://127.0.0.1:1' })).rejects.toMatchObject({
        code: 'CONNECT_FAILED',
      })
      await expect(StreamingEngine.open({ url: server.url, cluster: { domain: 'with.dots' } })).rejects.toMatchObject({
        code: 'CONNECT_INVALID',
        message: expect.stringContaining('with.dots'),
      })
    })
  },
  '2.12.0',
)
