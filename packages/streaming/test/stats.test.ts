import { expect, it } from 'vitest'
import { StreamingEngine } from '../src/index.ts'

it('shows topics, groups with their lag, processors and commits', async () => {
  await using engine = await StreamingEngine.open({ memory: true })
  await engine.createTopic('orders', { partitions: 2 })
  const users = await engine.cdc.table('users', { primaryKey: 'id' })
  const before = (await engine.stats()).commits
  await users.insert({ id: 1 })
  await engine.publishMany(
    'orders',
    [1, 2, 3].map(payload => ({ payload, key: `${payload}` })),
  )
  const sub = await engine.subscribe('orders', { groupId: 'g', from: 'earliest' })
  for await (const message of sub) {
    message.ack()
    break
  }
  const job = await engine.processor('copy').source('orders').sink('copies').start()
  const copies = await engine.subscribe('copies', { from: 'earliest' })
  let seen = 0
  for await (const _ of copies) if (++seen === 3) break

  const stats = await engine.stats()
  expect(stats.uptime).toBeGreaterThanOrEqual(0)
  expect(stats.commits).toBeGreaterThan(before + 1)
  expect(stats.topics.map(({ name, partitions, records, end }) => [name, partitions, records, end])).toEqual([
    ['$table.users', 1, 1, 1],
    ['copies', 2, 3, 3],
    ['orders', 2, 3, 3],
  ])
  expect(stats.topics.every(({ bytes }) => bytes > 0)).toBe(true)
  expect(stats.groups).toEqual([{ groupId: 'g', topic: 'orders', members: 0, lag: 2 }])
  expect(stats.processors).toMatchObject([{ id: 'copy', status: 'running', recordsIn: 3, recordsOut: 3 }])
  await job.close()
  expect((await engine.stats()).processors).toEqual([])
})

it('an empty engine has empty figures', async () => {
  await using engine = await StreamingEngine.open({ memory: true })
  expect(await engine.stats()).toMatchObject({ topics: [], groups: [], processors: [] })
})

it('a default of auto_commit does not stand in the way of exactly-once', async () => {
  await using engine = await StreamingEngine.open({ memory: true, consumer: { autoCommit: true } })
  await engine.createTopic('orders')
  await (await engine.subscribe('orders', { groupId: 'g', delivery: 'exactly-once' })).close()
})

it('closing ends the loops of subscribers without an error', async () => {
  const engine = await StreamingEngine.open({ memory: true })
  await engine.createTopic('orders')
  await engine.cdc.table('users', { primaryKey: 'id' })
  const loops = [
    await engine.subscribe('orders'),
    await engine.subscribe('orders', { groupId: 'g' }),
    await engine.cdc.subscribe('users'),
    await engine.events.subscribe('*'),
  ].map(async (items: AsyncIterable<unknown>) => {
    for await (const _ of items) expect.unreachable()
  })
  await engine.close()
  await Promise.all(loops)
  await expect(engine.publish('orders', { payload: 1 })).rejects.toMatchObject({ code: 'LOG_CLOSED' })
})
