import { openLog } from '@aegis/log'
import { describe, expect, it } from 'vitest'
import { type Delivered, Subscription, type SubscriptionOptions } from '../src/index.ts'

type Item = { readonly text: string } & Pick<Delivered, 'ack' | 'attempts'>

async function given() {
  const log = await openLog({ memory: true })
  for (const topic of ['a', 'b']) await log.createTopic(topic, { partitions: 2 })
  return {
    log,
    publish: (topic: string, ...texts: string[]) =>
      log.append(
        topic,
        texts.map(text => ({ value: `${topic}${text}` })),
      ),
    subscribe: (topics: readonly string[], options: SubscriptionOptions = {}) =>
      Subscription.open<Item>(
        log,
        topics,
        ({ value }, { ack, attempts }) => ({ text: Buffer.from(value!).toString(), ack, attempts }),
        { groupId: 'g', from: 'earliest', ...options },
      ),
    async take(subscription: Subscription<Item>, count: number): Promise<string[]> {
      const texts: string[] = []
      for await (const item of subscription) {
        item.ack()
        if (texts.push(item.text) === count) break
      }
      return texts.sort()
    },
    [Symbol.asyncDispose]: () => log.close(),
  }
}

describe('a subscription of several topics', () => {
  it('has the messages of all of them, and a position in each', async () => {
    await using g = await given()
    await g.publish('a', '1', '2')
    await g.publish('b', '1')
    expect(await g.take(await g.subscribe(['a', 'b']), 3)).toEqual(['a1', 'a2', 'b1'])
    await g.publish('a', '3')
    await g.publish('b', '2')
    const again = await g.subscribe(['a', 'b'])
    expect((await again.lag()).map(({ topic, lag }) => [topic, lag]).filter(([, lag]) => lag !== 0)).toEqual([
      ['a', 1],
      ['b', 1],
    ])
    expect(await g.take(again, 2)).toEqual(['a3', 'b2'])
  })

  it('does not let a busy topic starve the others', async () => {
    await using g = await given()
    await g.publish('a', ...Array.from({ length: 2000 }, (_, at) => String(at)))
    await g.publish('b', '1')
    let seen = 0
    for await (const { text } of await g.subscribe(['a', 'b'])) {
      seen++
      if (text === 'b1') break
    }
    expect(seen).toBeLessThan(1000)
  })

  it('takes up another topic while it is read, and goes on when that is deleted', async () => {
    await using g = await given()
    const subscription = await g.subscribe(['a'])
    const reading = g.take(subscription, 3)
    await g.publish('b', '1')
    await subscription.add('b')
    await g.publish('a', '1')
    while ((await g.log.lag('g', 'b')).some(({ lag }) => lag > 0)) await subscription.commit()
    await g.log.deleteTopic('b')
    await g.publish('a', '2')
    expect(await reading).toEqual(['a1', 'a2', 'b1'])
  })

  it('of which one does not exist leaves nothing behind', async () => {
    await using g = await given()
    await expect(g.subscribe(['a', 'none'])).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    expect((await g.log.describeGroup('g', 'a')).members).toBe(0)
  })

  it('calls around each handler for those who watch', async () => {
    await using g = await given()
    await g.publish('a', '1', '2')
    const watched: string[] = []
    const subscription = await Subscription.open<Item>(
      g.log,
      'a',
      ({ value }, { ack, attempts }) => ({ text: Buffer.from(value!).toString(), ack, attempts }),
      { groupId: 'g', from: 'earliest', backoff: 0 },
      {
        async handling({ text, attempts }, handle) {
          watched.push(`begin ${text} ${attempts}`)
          try {
            await handle()
          } finally {
            watched.push(`end ${text}`)
          }
        },
        handedOver: () => () => undefined,
      },
    )
    await subscription.run(
      ({ text, attempts }) => {
        if (text === 'a1' && attempts === 1) throw new Error('once more')
        if (text === 'a2') void subscription.close()
      },
      { order: 'partition' },
    )
    expect(watched).toEqual(['begin a1 1', 'end a1', 'begin a1 2', 'end a1', 'begin a2 1', 'end a2'])
  })
})
