import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineTopic, type PublishResult, PubSub } from '../src/index.ts'
import { given, itEmbedded } from './given.ts'

describe('a time to live', () => {
  it('ends: the message is not delivered any more, and the group is past it', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const options = { groupId: 'g', from: 'earliest' } as const
    await (await g.pubsub.subscribe('t', options)).close()
    await g.pubsub.publishMany('t', [
      { payload: 'old', ttl: '1m' },
      { payload: 'kept' },
      { payload: 'long', ttl: '1h' },
    ])
    g.clock.pass(60_000)
    const seen: unknown[] = []
    for await (const message of await g.pubsub.subscribe('t', options)) {
      message.ack()
      if (seen.push(message.payload) === 2) break
    }
    expect(seen).toEqual(['kept', 'long'])
    expect(await g.log.lag('g', 't')).toEqual([{ partition: 0, lag: 0 }])
    expect(await g.payloads('t')).toEqual(['kept', 'long'])
  })

  for (const mode of ['partitioned', 'shared'] as const) {
    it(`ends also while the message waits to be tried again (${mode})`, async () => {
      await using g = await given()
      await g.pubsub.createTopic('t')
      const options = { groupId: 'g', from: 'earliest', mode } as const
      await g.pubsub.publishMany('t', [{ payload: 'soon old', ttl: '30m' }, { payload: 'kept' }])
      const seen: unknown[] = []
      for await (const message of await g.pubsub.subscribe('t', options)) {
        if (message.payload === 'kept') message.ack()
        else message.nack({ delay: '1h' })
        if (seen.push(message.payload) === 2) break
      }
      g.clock.pass(2 * 3_600_000)
      const again = await g.pubsub.subscribe('t', options)
      await g.pubsub.publish('t', { payload: 'new' })
      for await (const message of again) {
        expect(message.payload).toBe('new')
        message.ack()
        break
      }
      expect(await g.log.lag('g', 't')).toEqual([{ partition: 0, lag: 0 }])
    })
  }

  itEmbedded('gives its bytes back with the retention of the topic', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { retention: '1h' })
    await g.pubsub.publish('t', { payload: 'x'.repeat(1000), ttl: '1m' })
    const bytes = async () => (await g.log.describeTopic('t')).partitionDetails[0]!.bytes
    g.clock.pass(120_000)
    await g.log.runMaintenance()
    expect(await bytes()).toBeGreaterThan(1000)
    g.clock.pass(3_600_000)
    await g.log.runMaintenance()
    expect(await bytes()).toBe(0)
  })

  it('does not take a dead letter away from those who look into it', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    await g.pubsub.createTopic('t.dead')
    const subscription = await g.pubsub.subscribe('t', { groupId: 'g', maxAttempts: 1 })
    const dead = await g.pubsub.subscribe('t.dead')
    await g.pubsub.publish('t', { payload: 'poison', ttl: 1000 })
    const running = subscription.run(() => {
      throw new Error('bad')
    })
    for await (const letter of dead) {
      g.clock.pass(2000)
      expect(letter).toMatchObject({ payload: 'poison', headers: { 'dead-letter-attempts': '1' } })
      break
    }
    expect(await g.payloads('t.dead')).toEqual(['poison'])
    await subscription.close()
    await running
  })
})

describe('fields of a message', () => {
  it('with wrong values are refused by name', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const wrong = [
      { ttl: -1 },
      { ttl: 'long' },
      { ttl: 1.5 },
      { priority: 10 },
      { priority: -1 },
      { priority: 'high' },
      { headers: { $x: '1' } },
    ]
    for (const fields of wrong) {
      const [name] = Object.keys(fields)
      await expect(g.pubsub.publish('t', { payload: 1, ...(fields as object) })).rejects.toMatchObject({
        code: 'MESSAGE_INVALID',
        message: expect.stringContaining(name === 'headers' ? '$x' : name!),
      })
    }
    expect(await g.log.endOffset('t')).toBe(0)
  })

  it('that the system writes are not among the headers of the user, so that a message can be passed on with its headers', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    await g.pubsub.publish('t', { payload: 1, ttl: '1h', priority: 9, messageId: 'a', headers: { mine: 'x' } })
    const [message] = await g.pubsub.history('t')
    expect({ ...message!.headers }).toEqual({ mine: 'x' })
    expect(message!.messageId).toBe('a')
    expect(message!.record.headers.map(({ key }) => key)).toEqual(['mine', '$message-id', '$priority', '$expires-at'])
    await g.pubsub.publish('t', { payload: 2, headers: message!.headers })
  })

  it('carry CR and LF, lone surrogates and prototype names in headers without harm', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const headers = JSON.parse('{"__proto__":"a","toString":"b","x\\r\\ny":"c\\r\\nd","":"e"}')
    await g.pubsub.publish('t', { payload: JSON.parse('{"__proto__":{"admin":true}}'), headers })
    const [message] = await g.pubsub.history('t')
    expect(Object.entries(message!.headers)).toEqual(Object.entries(headers))
    expect(JSON.stringify(message!.payload)).toBe('{"__proto__":{"admin":true}}')
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
    await g.pubsub.publish('t', { payload: { text: '\ud800', at: new Date(0), none: undefined } })
    expect((await g.payloads('t'))[1]).toEqual({ text: '\ud800', at: '1970-01-01T00:00:00.000Z' })
  })
})

describe('a partitioner', () => {
  it('places messages that do not name a partition', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    const orders = defineTopic('orders', {
      schema: z.object({ region: z.enum(['eu', 'us']) }),
      partitions: 3,
      partitioner: ({ payload }, partitions) => (payload?.region === 'eu' ? 0 : partitions - 1),
    })
    await pubsub.createTopic(orders)
    const results = await pubsub.publishMany(orders, [
      { key: 'a', payload: { region: 'us' } },
      { payload: { region: 'eu' } },
      { payload: { region: 'eu' }, partition: 1 },
    ])
    expect(results.map(({ partition }) => partition)).toEqual([2, 0, 1])
    const broken = { ...orders, partitioner: () => 3 }
    await expect(pubsub.publish(broken, { payload: { region: 'eu' } })).rejects.toMatchObject({
      code: 'PARTITION_UNKNOWN',
    })
  })
})

describe('publishing to several topics', () => {
  const orders = defineTopic('orders', { schema: z.object({ id: z.string() }) })

  itEmbedded('is one commit: all of them have it, or none', async () => {
    await using g = await given()
    await g.pubsub.createTopic(orders)
    await g.pubsub.createTopic('audit', { maxMessageSize: 50 })
    const before = g.log.commits
    const results = await g.pubsub.publishTo(
      [orders, { payload: { id: 'a' } }],
      ['audit', { payload: 'a', messageId: 'x' }],
    )
    expectTypeOf(results).toEqualTypeOf<PublishResult[]>()
    expect(results.map(({ topic, offset }) => [topic, offset])).toEqual([
      ['orders', 0],
      ['audit', 0],
    ])
    expect(g.log.commits - before).toBe(1)
    const failing = g.pubsub.publishTo([orders, { payload: { id: 'b' } }], ['audit', { payload: 'x'.repeat(60) }])
    await expect(failing).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    expect(await g.payloads('orders')).toEqual([{ id: 'a' }])
    const twice = { payload: { id: 'c' }, messageId: 'c' }
    const [once, audited, again] = await g.pubsub.publishTo(
      [orders, twice],
      ['audit', { payload: 'c' }],
      [orders, twice],
    )
    expect(again).toEqual({ ...once!, duplicate: true })
    expect(audited!.topic).toBe('audit')
    const later = { payload: 'd', delay: 1000 }
    await expect(g.pubsub.publishTo(['audit', later as never])).rejects.toMatchObject({ code: 'MESSAGE_INVALID' })
    // @ts-expect-error the payload is not that of the topic
    await expect(g.pubsub.publishTo([orders, { payload: { id: 5 } }])).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
    })
  })
})
