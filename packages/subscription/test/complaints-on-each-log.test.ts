import { createServer } from 'node:net'
import { connectLog } from '@aegis/log-jetstream'
import { NatsServer, NetworkProxy } from '@aegis/nats-server'
import { expect, it, onTestFinished } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { describeWithServer } from '../../../tooling/test/with-nats-server.ts'
import { acknowledge, Subscription } from '../src/index.ts'
import { deferred, everything, type Item, publish, subscribe, take } from './items.ts'

// What users of other systems complain of and what depends on the log: the issue in their tracker, and what holds here.

const earliest = { groupId: 'g', from: 'earliest', backoff: 0 } as const
const texts = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at))

describeEachLog('complaints', open => {
  it('nats.node#649, platformatic/kafka#375, #376: heartbeats are missed while a long job runs. Here it keeps its partition', async () => {
    const log = await open()
    await log.createTopic('t')
    await publish(log, 'long', 'next')
    const first = await subscribe(log, { ...earliest, sessionTimeout: 1_000 })
    const second = await subscribe(log, { ...earliest, sessionTimeout: 1_000 })
    const [begun, all] = [deferred<void>(), deferred<void>()]
    const seen: string[] = []
    const work = async ({ text }: Item): Promise<void> => {
      seen.push(text)
      if (text === 'next') return all.resolve()
      begun.resolve()
      // Longer than two sessions.
      await new Promise(resolve => setTimeout(resolve, 2_200))
    }
    const running = [first.run(work), second.run(work)]
    await begun.promise
    await all.promise
    expect(seen).toEqual(['long', 'next'])
    await Promise.all([first.close(), second.close()])
    await Promise.all(running)
    expect((await log.lag('g', 't')).map(({ lag }) => lag)).toEqual([0])
  })

  it('platformatic/kafka#340: nobody is told of a rebalance. Here both sides are, of each partition that moves', async () => {
    const log = await open()
    await log.createTopic('t', { partitions: 4 })
    const owned = [new Set<number>(), new Set<number>()]
    const watch = async (subscription: Subscription<Item>, mine: Set<number>): Promise<void> => {
      for await (const status of subscription.status()) {
        if (status.type === 'assigned') for (const partition of status.partitions) mine.add(partition)
        if (status.type === 'revoked') for (const partition of status.partitions) mine.delete(partition)
      }
    }
    const first = await subscribe(log, earliest)
    const watching = [watch(first, owned[0]!)]
    await expect.poll(() => owned[0]!.size).toBe(4)
    const second = await subscribe(log, earliest)
    watching.push(watch(second, owned[1]!))
    await expect.poll(() => owned.map(({ size }) => size)).toEqual([2, 2])
    expect([...owned[0]!, ...owned[1]!].sort()).toEqual([0, 1, 2, 3])
    await second.close()
    await expect.poll(() => owned[0]!.size).toBe(4)
    await first.close()
    await Promise.all(watching)
  })

  it('platformatic/kafka#268, #279: automatic commits fail one after the other when members come and go. Here nothing fails and nothing is lost', async () => {
    const log = await open()
    await log.createTopic('t', { partitions: 3 })
    const total = 60
    const seen = new Set<string>()
    const members = new Set<Subscription<Item>>()
    const join = async (): Promise<{ readonly leave: () => Promise<void> }> => {
      const subscription = await subscribe(log, { ...earliest, autoCommit: true, maxPollRecords: 5 })
      members.add(subscription)
      const reading = (async () => {
        for await (const { text } of subscription) seen.add(text)
      })()
      return {
        async leave() {
          members.delete(subscription)
          await subscription.close()
          await reading
        },
      }
    }
    const first = await join()
    for (let round = 0; round < 3; round++) {
      const from = (round * total) / 3
      await publish(log, ...texts(total).slice(from, from + total / 3))
      const other = await join()
      if (round < 2) await other.leave()
      else {
        await expect.poll(() => seen.size).toBe(total)
        await other.leave()
      }
    }
    await first.leave()
    expect(seen.size).toBe(total)
  })

  it('nats-server#7340: a busy subject starves the others. Here topics and partitions are taken in turn', async () => {
    const log = await open()
    for (const topic of ['busy', 'quiet']) await log.createTopic(topic, { partitions: 2 })
    await log.append(
      'busy',
      texts(1000).map(value => ({ value, partition: 0 })),
    )
    await log.append('busy', { value: 'other partition', partition: 1 })
    await log.append('quiet', { value: 'other topic', partition: 0 })
    const subscription = await Subscription.open(
      log,
      ['busy', 'quiet'],
      ({ value }, { ack }) => ({ text: Buffer.from(value!).toString(), ack }),
      { ...earliest, maxPollRecords: 50 },
    )
    let count = 0
    const at: Record<string, number> = {}
    for await (const { text, ack } of subscription) {
      count++
      ack()
      // Others of the process get their turn as well, those who fetch among them.
      await new Promise(resolve => setImmediate(resolve))
      if (text.startsWith('other')) at[text] = count
      if (Object.keys(at).length === 2) break
    }
    for (const place of Object.values(at)) expect(place).toBeLessThan(500)
  })

  it('kafkajs#207: offsets are not committed in a transaction. Here what is acknowledged and what is written are one commit, or none', async () => {
    const log = await open()
    await log.createTopic('t')
    await log.createTopic('out')
    await publish(log, 'a', 'b')
    await take(await subscribe(log, { ...earliest, delivery: 'exactly-once' }), 0)
    const subscription = await subscribe(log, earliest)
    const loop = subscription[Symbol.asyncIterator]()
    const [first, second] = [(await loop.next()).value!, (await loop.next()).value!]
    await log.transaction(tx => {
      tx.append('out', { value: first.text })
      acknowledge(tx, first)
    })
    const failing = log.transaction(tx => {
      tx.append('out', { value: second.text })
      acknowledge(tx, second)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    await loop.return()
    expect(await everything(log, 'out')).toEqual(['a'])
    expect(await take(await subscribe(log, earliest), 1, item => item.ack())).toEqual(['b'])
  })
})

describeWithServer('complaints about connections', () => {
  it('nats.node#590, #570, nats.js#375: a consumer silently stops after a reconnect, or is gone with its server. Here it goes on', async () => {
    await using server = await NatsServer.start()
    await using proxy = await NetworkProxy.start(server.port)
    await using log = await connectLog({ url: proxy.url })
    await log.createTopic('t', { partitions: 2 })
    const options = [earliest, { ...earliest, groupId: 'jobs', mode: 'shared' }] as const
    const groups = await Promise.all(
      options.map(async each => {
        const [subscription, seen] = [await subscribe(log, each), [] as string[]]
        return { subscription, seen, running: subscription.run(({ text }) => void seen.push(text)) }
      }),
    )
    const handled = async (...expected: string[]): Promise<void> => {
      for (const { seen } of groups) {
        await expect.poll(() => [...seen].sort()).toEqual(expect.arrayContaining(expected))
      }
    }
    await publish(log, 'before')
    await handled('before')
    proxy.drop()
    await publish(log, 'reconnected')
    await handled('reconnected')
    proxy.silenceServer()
    proxy.drop()
    await publish(log, 'silenced')
    await handled('silenced')
    await server.kill()
    await server.restart()
    await publish(log, 'restarted')
    await handled('restarted')
    for (const { subscription, running } of groups) {
      await subscription.close()
      await running
    }
  })

  it('platformatic/kafka#318: a server that takes the connection and says nothing hangs the client for ever. Here it is an error', async () => {
    const silent = createServer()
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void silent.close())
    const address = silent.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const connecting = connectLog({ url: `nats://127.0.0.1:${port}`, requestTimeout: 500 })
    await expect(connecting).rejects.toMatchObject({ code: 'CONNECT_FAILED' })
  })
})
