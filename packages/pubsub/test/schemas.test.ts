import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineTopic, type Message, PubSub } from '../src/index.ts'

describe.each([
  ['zod', defineTopic('t', { schema: z.object({ id: z.string(), lines: z.array(z.object({ count: z.number() })) }) })],
  [
    'valibot',
    defineTopic('t', { schema: v.object({ id: v.string(), lines: v.array(v.object({ count: v.number() })) }) }),
  ],
  ['arktype', defineTopic('t', { schema: type({ id: 'string', lines: type({ count: 'number' }).array() }) })],
])('a schema of %s', (_, topic) => {
  it('types the payload from publish to handler, and names the path of what does not fit', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    await pubsub.createTopic(topic)
    const subscription = await pubsub.subscribe(topic)
    await expect(
      pubsub.publish(topic, { payload: { id: 'a', lines: [{ count: 1 }, { count: 'two' as never }] } }),
    ).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH', details: { issues: [{ path: 'lines[1].count' }] } })
    await pubsub.publish(topic, { payload: { id: 'a', lines: [{ count: 1 }] } })
    for await (const message of subscription) {
      expectTypeOf(message).toEqualTypeOf<Message<{ id: string; lines: { count: number }[] }>>()
      expect(message.payload).toEqual({ id: 'a', lines: [{ count: 1 }] })
      break
    }
  })
})

describe('a schema of a later version', () => {
  const first = defineTopic('people', { schema: z.object({ name: z.string() }) })
  const second = defineTopic('people', {
    schema: z.object({ first: z.string(), last: z.string() }),
    version: 2,
    upgrade: (payload, version) => {
      if (version !== 1) throw new Error(`version ${version}`)
      const [name, ...rest] = z.object({ name: z.string() }).parse(payload).name.split(' ')
      return { first: name, last: rest.join(' ') }
    },
  })

  it('reads what was written before it, and what it writes itself', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    await pubsub.createTopic(first)
    await pubsub.publish(first, { payload: { name: 'Ada King Lovelace' } })
    await pubsub.publish(second, { payload: { first: 'Grace', last: 'Hopper' } })
    expect((await pubsub.history(second)).map(({ payload }) => payload)).toEqual([
      { first: 'Ada', last: 'King Lovelace' },
      { first: 'Grace', last: 'Hopper' },
    ])
  })

  it.each([0, 1.5, -1, Number.NaN])('has a whole number for a version, not %s', version => {
    expect(() => defineTopic('t', { schema: z.string(), version })).toThrow(
      expect.objectContaining({ code: 'PUBSUB_INVALID' }),
    )
  })
})

describe('poison messages never stop a group', () => {
  it('undecodable bytes and payloads of another schema go to its dead letters, and the others are handled', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    const numbers = defineTopic('numbers', { schema: z.number() })
    await pubsub.createTopic(numbers)
    await pubsub.createTopic('numbers.dead')
    const subscription = await pubsub.subscribe(numbers, { groupId: 'g' })
    const dead = await pubsub.subscribe('numbers.dead')
    await pubsub.publish('numbers', { payload: JSON.parse('{"__proto__":1}') })
    await pubsub.publish('numbers', { payload: 'text' })
    await pubsub.publish(numbers, { payload: 1 })
    const seen: number[] = []
    for await (const { payload } of subscription) {
      seen.push(payload)
      break
    }
    expect(seen).toEqual([1])
    const letters: string[] = []
    for await (const { headers } of dead) {
      if (letters.push(headers['dead-letter-reason'] ?? '') === 2) break
    }
    for (const reason of letters) expect(reason).toContain('does not fit the schema of topic numbers')
  })
})
