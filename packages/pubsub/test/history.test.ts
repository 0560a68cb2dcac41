import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTopic, PubSub } from '../src/index.ts'
import { given, runs } from './given.ts'

describe('the recent history of a topic', () => {
  it('is the newest messages, and goes back and forth by pages', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { partitions: 3 })
    const offsets: number[] = []
    for (let payload = 0; payload < 10; payload++) {
      offsets.push((await g.pubsub.publish('t', { payload, key: `k${payload}` })).offset)
    }
    const numbers = async (options: object) => (await g.pubsub.history('t', options)).map(({ payload }) => payload)
    expect(await numbers({ limit: 3 })).toEqual([7, 8, 9])
    expect(await numbers({ limit: 3, before: offsets[7] })).toEqual([4, 5, 6])
    expect(await numbers({ limit: 3, after: offsets[1] })).toEqual([2, 3, 4])
    expect(await numbers({ after: offsets[9] })).toEqual([])
    expect(await numbers({ after: -1, before: offsets[2] })).toEqual([0, 1])
    const [first] = await g.pubsub.history('t', { limit: 1, before: offsets[1]! })
    expect(first).toMatchObject({ payload: 0, key: 'k0', offset: offsets[0], messageId: undefined })
  })

  it('has what a topic of the program decodes, and says what cannot be read', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    const dates = defineTopic('dates', { schema: z.coerce.date() })
    await pubsub.createTopic(dates)
    expect(await pubsub.history(dates)).toEqual([])
    await pubsub.publish(dates, { payload: '2020-01-01' })
    expect((await pubsub.history(dates))[0]!.payload).toEqual(new Date('2020-01-01'))
    await pubsub.publish('dates', { payload: 'never' })
    await expect(pubsub.history(dates)).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
    await expect(pubsub.history('none')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    for (const options of [{ limit: 0 }, { limit: 1.5 }, { after: 'x' }, { before: -1 }]) {
      await expect(pubsub.history(dates, options as never)).rejects.toMatchObject({ code: 'PUBSUB_INVALID' })
    }
  })

  it('is a slice of everything, whatever the partitions, expiry and limits', async () => {
    const message = fc.record({ partition: fc.integer({ min: 0, max: 2 }), expires: fc.boolean() })
    const options = fc.record(
      {
        limit: fc.integer({ min: 1, max: 8 }),
        after: fc.integer({ min: -1, max: 45 }),
        before: fc.integer({ min: 0, max: 45 }),
      },
      { requiredKeys: ['limit'] },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 40 }),
        fc.array(options, { maxLength: 5 }),
        async (messages, asked) => {
          await using g = await given()
          await g.pubsub.createTopic('t', { partitions: 3 })
          const offsets: number[] = []
          for (const [payload, { partition, expires }] of messages.entries()) {
            const { offset } = await g.pubsub.publish('t', { payload, partition, ...(expires && { ttl: 1 }) })
            offsets.push(offset)
          }
          // What follows the last message has a place as well; offsets are sparse on a cluster.
          const placeOf = (at: number): number => (at < 0 ? -1 : (offsets[at] ?? (offsets.at(-1) ?? 0) + at))
          g.clock.pass(1)
          for (const { limit, after, before } of asked) {
            const all = messages
              .flatMap(({ expires }, at) => (expires ? [] : [at]))
              .filter(at => at > (after ?? -1) && at < (before ?? Infinity))
            const expected = after === undefined ? all.slice(-limit) : all.slice(0, limit)
            const page = await g.pubsub.history('t', {
              limit,
              ...(after !== undefined && { after: placeOf(after) }),
              ...(before !== undefined && { before: placeOf(before) }),
            })
            expect(page.map(({ payload }) => payload)).toEqual(expected)
          }
        },
      ),
      runs(60),
    )
  })
})
