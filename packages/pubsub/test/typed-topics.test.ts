import { openLog } from '@aegis/log'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineTopic, type Message, PubSub } from '../src/index.ts'

const orders = defineTopic('orders', {
  schema: z.object({ id: z.string(), lines: z.array(z.object({ sku: z.string(), at: z.coerce.date() })) }),
  partitions: 2,
})
const order = (at: string) => ({ id: 'o1', lines: [{ sku: 's', at }] })

describe('a topic with a schema', () => {
  it('stores the input and gives consumers the output', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    expect((await pubsub.createTopic(orders)).partitions).toBe(2)
    const subscription = await pubsub.subscribe(orders)
    await pubsub.publish(orders, { key: 'o1', payload: order('2001-01-01T00:00:00Z') })
    for await (const message of subscription) {
      expectTypeOf(message).toEqualTypeOf<Message<{ id: string; lines: { sku: string; at: Date }[] }>>()
      expect(message.payload).toEqual({ id: 'o1', lines: [{ sku: 's', at: new Date('2001-01-01') }] })
      expect(JSON.parse(Buffer.from(message.record.value!).toString())).toEqual(order('2001-01-01T00:00:00Z'))
      break
    }
  })

  it('refuses what does not fit, names the path, and publishes nothing of the list', async () => {
    await using log = await openLog({ memory: true })
    const pubsub = new PubSub(log)
    await pubsub.createTopic(orders)
    const bad = { id: 'o2', lines: [{ sku: 's', at: 'never' }] }
    const list = [{ payload: order('2001-01-01') }, { payload: bad }]
    for (const refused of [pubsub.publishMany(orders, list), pubsub.publish(orders, { payload: bad })]) {
      await expect(refused).rejects.toMatchObject({
        code: 'SCHEMA_MISMATCH',
        message: expect.stringContaining('lines[0].at'),
        details: { topic: 'orders', issues: [{ path: 'lines[0].at' }] },
      })
    }
    await expect(log.transaction(tx => pubsub.within(tx).publishMany(orders, list))).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
    })
    expect(await log.endOffset('orders')).toBe(0)
  })

  it('refuses a schema that answers asynchronously', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    const later = defineTopic('later', { schema: z.string().refine(async () => true) })
    await pubsub.createTopic(later)
    await expect(pubsub.publish(later, { payload: 'x' })).rejects.toMatchObject({ code: 'SCHEMA_ASYNC' })
  })

  it('checks the types of what is published', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    await pubsub.createTopic(orders)
    // @ts-expect-error a number is no id
    await expect(pubsub.publish(orders, { payload: { id: 1, lines: [] } })).rejects.toThrow()
    // @ts-expect-error a list is missing
    await expect(pubsub.publish(orders, { payload: { id: '1' } })).rejects.toThrow()
    expectTypeOf(pubsub.publish<unknown>)
      .parameter(0)
      .toExtend<string | object>()
  })
})
