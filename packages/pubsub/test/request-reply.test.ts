import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineTopic } from '../src/index.ts'
import { given } from './given.ts'

const prices = defineTopic('prices', { schema: z.object({ sku: z.string() }), partitions: 4 })
const price = z.object({ cents: z.number() })

describe('a request', () => {
  it('is answered by one of the responders, typed and checked on both ways', async () => {
    await using g = await given()
    await g.pubsub.createTopic(prices)
    const asked: string[] = []
    const responders = [g.another(), g.another()].map(pubsub =>
      pubsub.respond(prices, ({ payload, key }) => {
        expectTypeOf(payload).toEqualTypeOf<{ sku: string }>()
        asked.push(payload.sku)
        return { cents: payload.sku.length, key }
      }),
    )
    await Promise.all(responders)
    const reply = await g.pubsub.request(prices, { key: 'k', payload: { sku: 'abc' } }, { reply: price })
    expectTypeOf(reply).toEqualTypeOf<{ cents: number }>()
    expect(reply).toEqual({ cents: 3 })
    expect(asked).toEqual(['abc'])
    await expect(g.pubsub.request(prices, { payload: { sku: 'a' } }, { reply: z.string() })).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
    })
    // @ts-expect-error not the payload of the topic
    await expect(g.pubsub.request(prices, { payload: {} })).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
  })

  it('waits for the rate of the responder', async () => {
    await using g = await given()
    await g.pubsub.createTopic('calls')
    await g.pubsub.respond('calls', ({ payload }) => payload, { rate: { limit: 1, per: '1h' } })
    expect(await g.pubsub.request('calls', { payload: 1 })).toBe(1)
    await expect(g.pubsub.request('calls', { payload: 2 }, { timeout: 100 })).rejects.toMatchObject({
      code: 'REQUEST_TIMEOUT',
    })
  })

  it('finds its own reply among many, over one subscription', async () => {
    await using g = await given()
    await g.pubsub.createTopic('squares', { partitions: 3 })
    await g.pubsub.respond('squares', async ({ payload }) => payload ** 2, { concurrency: 50 })
    const numbers = Array.from({ length: 300 }, (_, at) => at)
    const other = g.another()
    const replies = await Promise.all(
      numbers.map(payload => (payload % 2 ? other : g.pubsub).request('squares', { payload })),
    )
    expect(replies).toEqual(numbers.map(payload => payload ** 2))
  })

  it('throws what the responder has thrown, with its code', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    await g.pubsub.respond('t', ({ payload }) => {
      if (payload === 'nothing') return undefined
      if (payload === 'bigint') return 1n
      throw Object.assign(new RangeError('out of stock\r\n\ud800'), { code: 'NO_STOCK' })
    })
    await expect(g.pubsub.request('t', { payload: 1 })).rejects.toMatchObject({
      code: 'REQUEST_FAILED',
      message: expect.stringContaining('RangeError: out of stock'),
      details: { topic: 't', name: 'RangeError', code: 'NO_STOCK' },
    })
    await expect(g.pubsub.request('t', { payload: 'bigint' })).rejects.toMatchObject({
      details: { code: 'PAYLOAD_INVALID' },
    })
    expect(await g.pubsub.request('t', { payload: 'nothing' })).toBeUndefined()
    expect(await g.payloads('t')).toHaveLength(3)
  })

  it('ends with its timeout; a late reply is dropped, and the request is not handled after it', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    await expect(g.pubsub.request('t', { payload: 'nobody' }, { timeout: 1 })).rejects.toMatchObject({
      code: 'REQUEST_TIMEOUT',
      details: { topic: 't', timeout: 1 },
    })
    g.clock.pass(1)
    let release: () => void = () => undefined
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const handled: string[] = []
    await g.pubsub.respond(
      't',
      async ({ payload }) => {
        handled.push(payload)
        if (payload === 'slow') await held
        return payload
      },
      { from: 'earliest', order: 'none', concurrency: 2 },
    )
    await expect(g.pubsub.request('t', { payload: 'slow' }, { timeout: 50 })).rejects.toMatchObject({
      code: 'REQUEST_TIMEOUT',
    })
    release()
    expect(await g.pubsub.request('t', { payload: 'quick' })).toBe('quick')
    expect(handled).toEqual(['slow', 'quick'])
  })

  it('is given up with its signal, and when it is closed', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const controller = new AbortController()
    const waiting = g.pubsub.request('t', { payload: 1 }, { signal: controller.signal })
    const subscription = await g.pubsub.subscribe('t', { from: 'earliest' })
    for await (const _ of subscription) break
    controller.abort(new Error('changed my mind'))
    await expect(waiting).rejects.toThrow('changed my mind')
    await expect(g.pubsub.request('t', { payload: 1 }, { signal: controller.signal })).rejects.toThrow(
      'changed my mind',
    )
    const other = g.another()
    const abandoned = other.request('t', { payload: 2 })
    const closing = expect(abandoned).rejects.toMatchObject({ code: 'PUBSUB_CLOSED' })
    for await (const { payload } of await g.pubsub.subscribe('t', { from: 'earliest' })) if (payload === 2) break
    await other.close()
    await closing
    await expect(other.request('t', { payload: 3 })).rejects.toMatchObject({ code: 'PUBSUB_CLOSED' })
  })

  it('says at once what is wrong with it', async () => {
    await using g = await given()
    await expect(g.pubsub.request('none', { payload: 1 })).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await g.pubsub.createTopic('t')
    await expect(g.pubsub.request('t', { payload: 1, paylod: 2 } as never)).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
    })
    for (const timeout of [-1, 'soon', 2 ** 31, 0]) {
      await expect(g.pubsub.request('t', { payload: 1 }, { timeout })).rejects.toMatchObject({ code: 'PUBSUB_INVALID' })
    }
    await expect(g.pubsub.request('t', { payload: 1, delay: 5 } as never)).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
    })
  })
})

describe('a responder', () => {
  it('handles plain messages of its topic as well, and ends when it is closed', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const seen: unknown[] = []
    const responder = await g.pubsub.respond('t', ({ payload }) => seen.push(payload))
    await g.pubsub.publish('t', { payload: 'plain' })
    expect(await g.pubsub.request('t', { payload: 'asked' })).toBe(2)
    expect(seen).toEqual(['plain', 'asked'])
    await responder.close()
    await responder.done
    await expect(g.pubsub.request('t', { payload: 'again' }, { timeout: 20 })).rejects.toMatchObject({
      code: 'REQUEST_TIMEOUT',
    })
  })
})
