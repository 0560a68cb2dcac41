import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTopic, type Message } from '../src/index.ts'
import { type Given, given } from './given.ts'

async function take(messages: AsyncIterable<Message>, count: number): Promise<string[]> {
  const seen: string[] = []
  for await (const message of messages) {
    message.ack()
    if (seen.push(`${message.topic} ${message.payload}`) === count) break
  }
  return seen
}

async function create(g: Given, ...topics: string[]): Promise<void> {
  for (const topic of topics) await g.pubsub.createTopic(topic)
}

const publish = async (g: Given, payload: unknown, ...topics: string[]): Promise<void> => {
  for (const topic of topics) await g.pubsub.publish(topic, { payload })
}

describe('a subscription of a pattern', () => {
  it('matches topics part by part, and neither internal ones nor dead letters', async () => {
    await using g = await given()
    const topics = ['orders.eu', 'orders.us', 'orders.eu.vip', 'orders', 'xorders.eu', 'orders.eu.dead', 'orders.dead']
    await create(g, ...topics)
    await g.log.createTopic('$orders.eu')
    const parts = await g.pubsub.subscribe('orders.*', { from: 'earliest' })
    const all = await g.pubsub.subscribe('orders.**', { from: 'earliest' })
    const both = await g.pubsub.subscribe(['orders', '*.us'], { from: 'earliest' })
    const anything = await g.pubsub.subscribe('**', { from: 'earliest' })
    const sorted = (subscription: { readonly topics: readonly string[] }) => [...subscription.topics].sort()
    expect(sorted(parts)).toEqual(['orders.eu', 'orders.us'])
    expect(sorted(all)).toEqual(['orders.eu', 'orders.eu.vip', 'orders.us'])
    expect(sorted(both)).toEqual(['orders', 'orders.us'])
    expect(sorted(anything)).toEqual(['orders', 'orders.eu', 'orders.eu.vip', 'orders.us', 'xorders.eu'])
    await publish(g, 1, ...topics)
    await g.log.append('$orders.eu', { value: '1' })
    expect((await take(parts, 2)).sort()).toEqual(['orders.eu 1', 'orders.us 1'])
    expect((await take(all, 3)).sort()).toEqual(['orders.eu 1', 'orders.eu.vip 1', 'orders.us 1'])
    expect((await take(both, 2)).sort()).toEqual(['orders 1', 'orders.us 1'])
    expect((await take(anything, 5)).sort()).toEqual(
      ['orders 1', 'orders.eu 1', 'orders.eu.vip 1', 'orders.us 1', 'xorders.eu 1'].sort(),
    )
  })

  it('takes up topics that are created later, by whom they may, from their beginning', async () => {
    await using g = await given()
    const subscription = await g.pubsub.subscribe('orders.*', { groupId: 'g' })
    const taking = take(subscription, 3)
    await create(g, 'orders.a', 'other')
    await publish(g, 1, 'orders.a', 'other')
    await g.log.createTopic('orders.b')
    await publish(g, 2, 'orders.b')
    // Deleted and created again it is another one.
    while ((await g.log.lag('g', 'orders.a')).some(({ lag }) => lag > 0)) await subscription.commit()
    await g.pubsub.deleteTopic('orders.a')
    await create(g, 'orders.a')
    await publish(g, 3, 'orders.a')
    expect((await taking).sort()).toEqual(['orders.a 1', 'orders.a 3', 'orders.b 2'])
  })

  it('has, in a group that comes back, what came into topics that were created while it was away', async () => {
    await using g = await given()
    await create(g, 'orders.a')
    await publish(g, 'before', 'orders.a')
    await (await g.pubsub.subscribe('orders.*', { groupId: 'g' })).close()
    await create(g, 'orders.b')
    await publish(g, 'away', 'orders.a', 'orders.b')
    expect((await take(await g.pubsub.subscribe('orders.*', { groupId: 'g' }), 2)).sort()).toEqual([
      'orders.a away',
      'orders.b away',
    ])
    // Another group begins as it says.
    const late = await g.pubsub.subscribe('orders.*', { groupId: 'late' })
    await publish(g, 'now', 'orders.b')
    expect(await take(late, 1)).toEqual(['orders.b now'])
  })

  it('is one subscription: handlers side by side, retried and ordered by key over all topics', async () => {
    await using g = await given()
    await create(g, 'orders.a', 'orders.b')
    const subscription = await g.pubsub.subscribe('orders.*', { groupId: 'g', backoff: 0 })
    await publish(g, 1, 'orders.a', 'orders.b')
    const attempts: Record<string, number> = {}
    await subscription.run(
      message => {
        attempts[message.topic] = message.attempts
        if (message.attempts === 1) throw new Error('once more')
        if (Object.values(attempts).every(count => count === 2) && Object.keys(attempts).length === 2)
          void subscription.close()
      },
      { concurrency: 2 },
    )
    expect(attempts).toEqual({ 'orders.a': 2, 'orders.b': 2 })
  })

  it('of several defined topics has what each of them decodes', async () => {
    await using g = await given()
    const dates = defineTopic('dates', { schema: z.coerce.date() })
    const numbers = defineTopic('numbers', { schema: z.number() })
    for (const topic of [dates, numbers]) await g.pubsub.createTopic(topic as never)
    const subscription = await g.pubsub.subscribe<Date | number>([dates, numbers])
    await g.pubsub.publishTo([dates, { payload: '2020-01-01' }], [numbers, { payload: 5 }])
    const seen: (Date | number)[] = []
    for await (const { payload } of subscription) if (seen.push(payload) === 2) break
    expect(seen).toEqual(expect.arrayContaining([new Date('2020-01-01'), 5]))
  })

  it('says what cannot be meant', async () => {
    await using g = await given()
    await create(g, 't')
    for (const pattern of ['a b*', '***', 'x/*']) {
      await expect(g.pubsub.subscribe(pattern)).rejects.toMatchObject({ code: 'PUBSUB_INVALID' })
    }
    await expect(g.pubsub.subscribe('$*')).rejects.toMatchObject({ code: 'TOPIC_NAME_INVALID' })
    await expect(g.pubsub.subscribe('*', { from: { offset: 5 } })).rejects.toMatchObject({ code: 'PUBSUB_INVALID' })
    await expect(g.pubsub.subscribe(['t', 'none'])).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
  })
})

describe('a filter', () => {
  it('lets through by key, header and predicate; what it leaves out is done with', async () => {
    await using g = await given()
    await create(g, 't')
    await (await g.pubsub.subscribe('t', { groupId: 'g' })).close()
    const headers = (region: string) => ({ headers: { region } })
    await g.pubsub.publishMany('t', [
      { key: 'a', payload: 1, ...headers('eu') },
      { key: 'a', payload: 2, ...headers('us') },
      { key: 'b', payload: 3, ...headers('eu') },
      { payload: 4, ...headers('eu') },
      { key: 'c', payload: 5, ...headers('eu') },
      { key: 'a', payload: 6, ...headers('eu') },
    ])
    const filter = { key: ['a', 'c'], headers: { region: 'eu' }, where: ({ payload }: Message) => payload > 1 }
    expect(await take(await g.pubsub.subscribe('t', { groupId: 'g', filter }), 2)).toEqual(['t 5', 't 6'])
    expect(await g.log.lag('g', 't')).toEqual([{ partition: 0, lag: 0 }])
    const one = await g.pubsub.subscribe('t', { from: 'earliest', filter: { key: 'b' } })
    expect(await take(one, 1)).toEqual(['t 3'])
  })

  it('that throws makes a dead letter, and the others arrive', async () => {
    await using g = await given()
    await create(g, 't', 't.dead')
    const subscription = await g.pubsub.subscribe('t', {
      groupId: 'g',
      filter: { where: ({ payload }) => payload.order.id > 0 },
    })
    const dead = await g.pubsub.subscribe('t.dead')
    await publish(g, 'not an order', 't')
    await publish(g, { order: { id: 1 } }, 't')
    expect(await take(subscription, 1)).toHaveLength(1)
    expect(await take(dead, 1)).toEqual(['t.dead not an order'])
  })
})
