import { describe, expect, it } from 'vitest'
import { given } from './given.ts'

describe('redriving', () => {
  it('gives a group its dead letters back, once, and nobody else', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const options = { groupId: 'g', from: 'earliest', maxAttempts: 1 } as const
    await g.pubsub.publishMany('t', [{ payload: 1 }, { payload: 2 }])
    const failing = await g.pubsub.subscribe('t', options)
    let refused = 0
    await failing.run(() => {
      if (++refused === 2) void failing.close()
      throw new Error('the service is down')
    })
    expect(await g.payloads('t.dead')).toEqual([1, 2])
    expect(await g.pubsub.redrive('t', 'g', { limit: 1 })).toBe(1)
    expect(await g.pubsub.redrive('t', 'other')).toBe(0)
    expect(await g.another().redrive('t', 'g')).toBe(1)
    expect(await g.pubsub.redrive('t', 'g')).toBe(0)
    const subscription = await g.pubsub.subscribe('t', options)
    const handled: number[] = []
    await subscription.run(({ payload, attempts }) => {
      expect(attempts).toBe(1)
      if (handled.push(payload) === 2) void subscription.close()
    })
    expect(handled).toEqual([1, 2])
    await expect(g.pubsub.redrive('none', 'g')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
  })
})
