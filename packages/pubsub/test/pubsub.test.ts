import { openLog } from '@aegis/log'
import { expect, test } from 'vitest'
import { PubSub } from '../src/index.ts'

test('hostile keys and headers, null and tombstones arrive as they were published', async () => {
  await using pubsub = await PubSub.open({ memory: true })
  await pubsub.createTopic('t')
  const sub = await pubsub.subscribe('t', { groupId: '__proto__' })
  const headers = JSON.parse('{"__proto__":"x","constructor":"y"}')
  const result = await pubsub.publish('t', { key: '__proto__', payload: null, headers })
  await pubsub.publish('t', { key: '__proto__', tombstone: true })
  const seen = []
  for await (const message of sub) {
    message.ack()
    if (seen.push(message) === 2) break
  }
  expect(seen[0]).toMatchObject({ ...result, key: '__proto__', payload: null })
  expect(Object.getPrototypeOf(seen[0]!.headers)).toBe(null)
  expect(Object.entries(seen[0]!.headers)).toEqual([
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ])
  expect(seen[1]!.record.value).toBe(null)
})

test('refuses what JSON cannot carry and reserved names', async () => {
  await using pubsub = await PubSub.open({ memory: true })
  await pubsub.createTopic('t')
  for (const payload of [undefined, 1n, () => 1]) {
    await expect(pubsub.publish('t', { payload })).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' })
  }
  await expect(pubsub.createTopic('$t')).rejects.toMatchObject({ code: 'TOPIC_NAME_INVALID' })
})

test('subscriptions that do not say otherwise get the consumer settings', async () => {
  await using log = await openLog({ memory: true })
  const pubsub = new PubSub(log, { consumer: { from: 'earliest', autoCommit: true } })
  await pubsub.createTopic('t')
  await pubsub.publishMany('t', [{ payload: 1 }, { payload: 2 }])
  const first: unknown[] = []
  for await (const { payload } of await pubsub.subscribe('t', { groupId: 'g' })) if (first.push(payload) === 2) break
  expect(first).toEqual([1, 2])
  // Asking for the second has acknowledged the first.
  for await (const { payload } of await pubsub.subscribe('t', { groupId: 'g', autoCommit: false })) {
    expect(payload).toBe(2)
    break
  }
})
