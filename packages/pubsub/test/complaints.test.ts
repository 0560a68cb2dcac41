import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTopic } from '../src/index.ts'
import { given, itEmbedded } from './given.ts'

// Each named after what users of other systems have complained of. Delayed retry, windows of deduplication and
// back-pressure have theirs beside what they are about.
describe('what users of other systems trip over', () => {
  it('duplicate headers collapsed (platformatic/kafka#372): all of them are in the record, in their order', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const headers = ['1', '2', '1'].map(value => ({ key: 'via', value: Buffer.from(value) }))
    await g.log.append('t', { value: '1', headers })
    const [message] = await g.pubsub.history('t')
    expect(message!.headers['via']).toBe('1')
    expect(message!.record.headers.map(({ value }) => Buffer.from(value!).toString())).toEqual(['1', '2', '1'])
  })

  it('state of the producer broken after a failure (platformatic/kafka#310): the next message is published as if nothing had been', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { maxMessageSize: 100 })
    const large = 'x'.repeat(200)
    const tries = await Promise.allSettled([
      g.pubsub.publish('t', { payload: 1 }),
      g.pubsub.publish('t', { payload: large }),
      g.pubsub.publish('t', { payload: large, messageId: 'a' }),
      g.pubsub.publishMany('t', [{ payload: 2 }, { payload: large }]),
      g.pubsub.publish('t', { payload: 3 }),
    ])
    expect(tries.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled'])
    expect(await g.pubsub.publish('t', { payload: 4, messageId: 'a' })).not.toHaveProperty('duplicate')
    expect(await g.payloads('t')).toEqual([1, 3, 4])
  })

  itEmbedded(
    'publishing message by message bound by round trips (JetStream): those that wait share a commit',
    async () => {
      await using g = await given()
      await g.pubsub.createTopic('t')
      const before = g.log.commits
      await Promise.all(Array.from({ length: 1000 }, (_, payload) => g.pubsub.publish('t', { payload })))
      expect(g.log.commits - before).toBeLessThan(50)
      expect(await g.payloads('t')).toEqual(Array.from({ length: 1000 }, (_, at) => at))
    },
  )

  itEmbedded(
    'atomic publishing into one stream of at most 1,000 messages (JetStream): several topics, and thousands',
    async () => {
      await using g = await given()
      const topics = ['a', 'b', 'c']
      for (const topic of topics) await g.pubsub.createTopic(topic, { partitions: 2 })
      const before = g.log.commits
      await g.log.transaction(tx => {
        for (const topic of topics) {
          g.pubsub.within(tx).publishMany(
            topic,
            Array.from({ length: 1500 }, (_, payload) => ({ payload })),
          )
        }
      })
      expect(g.log.commits - before).toBe(1)
      for (const topic of topics) expect(await g.log.endOffset(topic)).toBe(1500)
    },
  )

  it('what cannot be decoded ends the stream (platformatic/kafka#334, #360), or crash-loops the consumer (nestjs-kafka#26): it is a dead letter, once', async () => {
    await using g = await given()
    const numbers = defineTopic('numbers', { schema: z.number() })
    await g.pubsub.createTopic(numbers)
    const { positions } = await g.log.append('numbers', [
      { value: Buffer.from([0xff, 0x00]) },
      { value: '"text"' },
      { value: '{"__proto__":' },
    ])
    await g.pubsub.publish(numbers, { payload: 1 })
    const handled: number[] = []
    for (let start = 0; start < 2; start++) {
      const subscription = await g.pubsub.subscribe(numbers, { groupId: 'g', from: 'earliest' })
      if (start === 1) await g.pubsub.publish(numbers, { payload: 2 })
      await subscription.run(({ payload }) => {
        handled.push(payload)
        void subscription.close()
      })
    }
    expect(handled).toEqual([1, 2])
    const letters = await g.pubsub.history<unknown>({ topic: 'numbers.dead', decode: record => record.value?.length })
    expect(letters.map(({ headers }) => headers['dead-letter-offset'])).toEqual(
      positions.map(({ offset }) => String(offset)),
    )
  })

  it('a message that is scheduled twice by a restarting program (BullMQ#2796): its id is known before and after it was due', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const start = () => g.pubsub.publish('t', { messageId: 'daily-2030-01-01', payload: 'x', delay: '1h' })
    const [first, second] = [await start(), await start()]
    expect(second).toEqual(first)
    g.clock.pass(3_600_000)
    await g.pubsub.runMaintenance()
    await start()
    g.clock.pass(3_600_000)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual(['x'])
  })
})
