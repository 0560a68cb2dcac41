import { openLog, type Untyped } from '@aegis/log'
import { FaultyDisk } from '@aegis/storage/testing'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineTopic, PubSub } from '../src/index.ts'
import { given } from './given.ts'

const codeOf = async (call: () => unknown): Promise<unknown> => {
  try {
    await call()
    return 'nothing'
  } catch (error) {
    return (error as { code?: unknown }).code ?? error
  }
}

describe('what is no message, no topic, no option', () => {
  it('is refused by a code, wherever it is given', async () => {
    await using g = await given()
    const pubsub = g.pubsub as Untyped
    await pubsub.createTopic('t')
    const message = { payload: 1 }
    for (const topic of [undefined, null, 5, {}, [], '$x']) {
      const calls = [
        () => pubsub.createTopic(topic),
        () => pubsub.publish(topic, message),
        () => pubsub.publishMany(topic, [message]),
        () => pubsub.publishTo([topic, message]),
        () => pubsub.history(topic),
        () => pubsub.subscribe([topic]),
        () => pubsub.request(topic, message),
        () => pubsub.redrive(topic, 'g'),
        () => pubsub.schedules.set('s', { topic, message, cron: '* * * * *' }),
      ]
      for (const call of calls) expect(await codeOf(call), `${String(topic)} ${call}`).toBe('TOPIC_NAME_INVALID')
    }
    for (const name of ['a b', 'a/b', 'ü', '..', 'x'.repeat(250), 'a\nb', 'a*', '']) {
      expect(await codeOf(() => pubsub.createTopic(name)), name).toBe('LOG_INVALID')
    }
    const messages = [
      null,
      5,
      { payload: 1, foo: 1 },
      JSON.parse('{"payload":1,"__proto__":2}'),
      { payload: 1, headers: null },
      { payload: 1, headers: 'abc' },
      { payload: 1, headers: ['a'] },
      { payload: 1, headers: new Map([['a', 'b']]) },
      { payload: 1, key: null },
      { key: 'k', tombstone: true, payload: 1 },
      { key: 'k', tombstone: 'yes', payload: 1 },
    ]
    for (const each of messages) {
      for (const call of [() => pubsub.publish('t', each), () => pubsub.publishTo(['t', each])]) {
        expect(await codeOf(call), JSON.stringify(each)).toBe('MESSAGE_INVALID')
      }
    }
    expect(await codeOf(() => pubsub.publishTo('t'))).toBe('MESSAGE_INVALID')
    expect(await codeOf(() => pubsub.request('t', { payload: 1, ttl: 5 }))).toBe('MESSAGE_INVALID')
    const invalid = [
      () => pubsub.subscribe('t', null),
      () => pubsub.subscribe('t', { filter: 5 }),
      () => pubsub.subscribe('t', { filter: { key: 5 } }),
      () => pubsub.subscribe('t', { filter: { where: 'payload > 5' } }),
      () => pubsub.subscribe('t', { filter: { keys: 'a' } }),
      () => pubsub.history('t', { limt: 5 }),
      () => pubsub.history('t', null),
      () => pubsub.publishFrom('t', undefined),
      () => pubsub.publishFrom('t', 'abc'),
      () => pubsub.publishFrom('t', {}),
      () => pubsub.publishFrom('t', [], { inflight: 5 }),
      () => pubsub.request('t', message, { timeOut: 5 }),
      () => pubsub.respond('t', undefined),
      () => pubsub.schedules.list({ limits: 5 }),
      () => pubsub.schedules.set('s', undefined),
      () => defineTopic('t', {} as Untyped),
      () => defineTopic('t', { schema: { '~standard': {} } } as Untyped),
    ]
    for (const call of invalid) expect(await codeOf(call), String(call)).toBe('PUBSUB_INVALID')
    const subscription = [
      () => pubsub.subscribe('t', { signal: 5 }),
      () => pubsub.subscribe('t', { instanceId: 'i' }),
      () => pubsub.subscribe('t', { groupId: 'g', sessionTimeout: 0 }),
      () => pubsub.redrive('t', undefined),
      () => pubsub.redrive('t', 'g', { limit: 'x' }),
      async () => {
        await using opened = await pubsub.subscribe('t', { groupId: 'g' })
        await opened.run(undefined)
      },
      async () => {
        await using opened = await pubsub.subscribe('t', { groupId: 'g' })
        await opened.run(() => undefined, { concurency: 5 })
      },
    ]
    for (const call of subscription) expect(await codeOf(call), String(call)).toBe('SUBSCRIPTION_INVALID')
    expect(await codeOf(() => pubsub.schedules.cancel(undefined))).toBe('SCHEDULE_INVALID')
    // Nothing of all that has left anything behind.
    expect(await g.log.endOffset('t')).toBe(0)
    expect((await g.log.listGroups()).map(({ groupId }) => groupId)).toEqual(['g'])
  })

  it('reaches nobody’s prototype: __proto__ is a name as others are', async () => {
    await using g = await given()
    await g.pubsub.createTopic('__proto__')
    const odd = JSON.parse('{"__proto__":"x","constructor":"y"}')
    await g.pubsub.publish('__proto__', { key: '__proto__', payload: odd, headers: odd, messageId: '__proto__' })
    const subscription = await g.pubsub.subscribe('__proto__', {
      groupId: '__proto__',
      from: 'earliest',
      filter: { headers: odd, key: '__proto__' },
    })
    for await (const message of subscription) {
      expect(Object.entries(message.headers)).toEqual(Object.entries(odd))
      expect(Object.entries(message.payload)).toEqual(Object.entries(odd))
      expect(Object.getPrototypeOf(message.headers)).toBe(null)
      message.ack()
      break
    }
    expect(({} as { x?: unknown }).x).toBe(undefined)
  })
})

describe('closing', () => {
  it('gives up handlers that do not end in time; their messages are delivered again', async () => {
    await using log = await openLog({ memory: true })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('t', { partitions: 2 })
    await pubsub.publishMany('t', [{ payload: 'stuck' }, { payload: 'stuck too', partition: 1 }])
    const running: Promise<void>[] = []
    for (const mode of ['partitioned', 'shared'] as const) {
      const subscription = await pubsub.subscribe('t', { groupId: mode, from: 'earliest', mode })
      const begun = new Promise<void>(resolve => {
        const work = subscription.run(() => {
          resolve()
          return new Promise<never>(() => undefined)
        })
        running.push(work)
      })
      await begun
    }
    // This one waits for ever, and does not keep the other from giving up.
    const patient = pubsub.close()
    await pubsub.close({ timeout: 10 })
    await Promise.all([patient, ...running])
    const next = new PubSub(log)
    for (const mode of ['partitioned', 'shared'] as const) {
      const seen: string[] = []
      for await (const message of await next.subscribe('t', { groupId: mode, mode })) {
        message.ack()
        if (seen.push(message.payload) === 2) break
      }
      expect(seen.sort()).toEqual(['stuck', 'stuck too'])
    }
    await next.close()
  })

  it('closes the log also when the disk has failed, so that its folder can be opened again', async () => {
    const disk = new FaultyDisk()
    const pubsub = await PubSub.open({ storage: await disk.open() })
    await pubsub.createTopic('t')
    await pubsub.publish('t', { payload: 1 })
    const subscription = await pubsub.subscribe('t', { groupId: 'g', from: 'earliest' })
    const loop = subscription[Symbol.asyncIterator]()
    ;(await loop.next()).value?.ack()
    disk.fail({ repeat: true })
    await expect(pubsub.close()).rejects.toMatchObject({ code: expect.stringContaining('STORAGE_') })
    expect(await codeOf(() => pubsub.publish('t', { payload: 2 }))).toBe('LOG_CLOSED')
  })

  it('in the midst of everything ends everything, and nothing is left unhandled', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    try {
      for (let round = 0; round < 10; round++) {
        const pubsub = await PubSub.open({ memory: true })
        const orders = defineTopic('orders', { schema: z.number() })
        await pubsub.createTopic(orders, { partitions: 3 })
        await pubsub.respond('orders', ({ payload }) => payload, { groupId: 'responders' })
        const work: Promise<unknown>[] = []
        const run = async (mode: 'partitioned' | 'shared', delivery: 'at-least-once' | 'exactly-once') => {
          const subscription = await pubsub.subscribe(orders, { groupId: `${mode} ${delivery}`, mode, delivery })
          await subscription.run(
            async () => {
              await new Promise(resolve => setTimeout(resolve, 1))
              throw new Error('again')
            },
            { concurrency: 5 },
          )
        }
        const loop = async () => {
          for await (const message of await pubsub.subscribe('o*', { groupId: 'loop', autoCommit: true })) message.ack()
        }
        work.push(loop(), run('partitioned', 'at-least-once'), run('partitioned', 'exactly-once'))
        work.push(run('shared', 'at-least-once'), run('shared', 'exactly-once'))
        for (let payload = 0; payload < 20; payload++) {
          work.push(pubsub.publish(orders, { payload }), pubsub.publish(orders, { payload, messageId: `${payload}` }))
          work.push(pubsub.publish(orders, { payload, delay: payload }))
          work.push(pubsub.request('orders', { payload }, { timeout: '1m' }))
        }
        work.push(
          pubsub.publishFrom(
            orders,
            (function* () {
              for (;;) yield { payload: 1 }
            })(),
            { inFlight: 10 },
          ),
        )
        const settled = Promise.allSettled(work)
        for (let turn = 0; turn < round * 3; turn++) await new Promise(resolve => setImmediate(resolve))
        await pubsub.close()
        for (const result of await settled) {
          if (result.status === 'fulfilled') continue
          expect(['LOG_CLOSED', 'PUBSUB_CLOSED', 'SUBSCRIPTION_CLOSED', 'STORAGE_CLOSED']).toContain(result.reason.code)
        }
      }
      // They are told of at the end of a turn.
      for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
      expect(unhandled.mock.calls).toEqual([])
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })

  it('a publish with an id that nobody awaits in its transaction fails the transaction, and does not end the process', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    try {
      await using g = await given()
      await g.pubsub.createTopic('t')
      const forgotten = g.log.transaction(tx => {
        void g.pubsub.within(tx).publish('t', { payload: 1, messageId: 'a' })
        void g.pubsub.within(tx).publish('t', { payload: 1, messageId: 'b', delay: 5 })
      })
      await expect(forgotten).rejects.toMatchObject({ code: 'TRANSACTION_STATE' })
      // They are told of at the end of a turn.
      for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
      expect(unhandled.mock.calls).toEqual([])
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })
})
