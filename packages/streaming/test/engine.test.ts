import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CdcEngine } from '@aegis/cdc'
import { Event } from '@aegis/eventstore'
import { expect, it, onTestFinished } from 'vitest'
import { StreamingEngine } from '../src/index.ts'

async function engineInMemory() {
  const engine = await StreamingEngine.open({ memory: true })
  onTestFinished(() => engine.close())
  await engine.createTopic('orders', { partitions: 2 })
  await engine.cdc.table('users', { primaryKey: 'id' })
  return engine
}

async function take<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const item of items) if (taken.push(item) === count) break
  return taken
}

it('commits messages, rows and events of one transaction together', async () => {
  const engine = await engineInMemory()
  const orders = await engine.subscribe('orders')
  const changes = await engine.cdc.subscribe('users')
  const events = await engine.events.subscribe('account-*')

  await engine.transaction(async tx => {
    await tx.cdc.table('users').insert({ id: 1, name: 'Ada' })
    await tx.events.append('account-1', new Event('Opened', { owner: 'Ada' }))
    await tx.publish('orders', { key: 'a', payload: { amount: 1 } })
    await tx.publishMany('orders', [{ key: 'a', payload: { amount: 2 } }])
  })

  expect((await take(orders, 2)).map(order => order.payload.amount)).toEqual([1, 2])
  expect(await take(changes, 1)).toMatchObject([{ op: 'insert', newRow: { id: 1, name: 'Ada' } }])
  expect(await take(events, 1)).toMatchObject([{ streamId: 'account-1', type: 'Opened', version: 0 }])
})

it('leaves nothing of a transaction that throws', async () => {
  const engine = await engineInMemory()
  const failing = engine.transaction(async tx => {
    await tx.cdc.table('users').insert({ id: 1 })
    await tx.events.append('account-1', new Event('Opened', {}))
    await tx.publish('orders', { payload: 1 })
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(await (await engine.cdc.table('users', { primaryKey: 'id' })).get(1)).toBe(undefined)
  expect(await engine.events.load('account-1')).toEqual([])
  expect(await engine.log.endOffset('orders')).toBe(0)
})

it('a standalone package joins a transaction of the engine, as part of the same transaction', async () => {
  const engine = await engineInMemory()
  const own = new CdcEngine(engine.log)
  const changes = await engine.cdc.subscribe('users')
  await engine.transaction(async tx => {
    await tx.cdc.table('users').insert({ id: 1 })
    await own.within(tx).table('users').insert({ id: 2 })
  })
  const [first, second] = await take(changes, 2)
  expect(first!.transactionId).toBe(second!.transactionId)
})

it('gives the transaction of an exactly-once handler its vocabulary', async () => {
  const engine = await engineInMemory()
  const sub = await engine.subscribe('orders', { groupId: 'g', delivery: 'exactly-once' })
  const { partition, offset } = await engine.publish('orders', { payload: { id: 7 } })
  const changes = await engine.cdc.subscribe('users')
  const running = sub.run((order, tx) => engine.within(tx!).cdc.table('users').insert(order.payload))
  expect(await take(changes, 1)).toMatchObject([{ op: 'insert', newRow: { id: 7 } }])
  expect(await engine.log.committed('g', 'orders', partition)).toMatchObject({ offset: offset + 1 })
  await sub.close()
  await running
})

it('finds again, in the same folder, what was committed', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-engine-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  for (const run of [1, 2]) {
    await using engine = await StreamingEngine.open({ dataDir })
    await engine.createTopic('orders', { partitions: 2 })
    const users = await engine.cdc.table('users', { primaryKey: 'id' })
    await users.upsert({ id: 1, run })
    await engine.publish('orders', { payload: run })
    expect(await take(await engine.subscribe('orders', { from: 'earliest' }), run)).toHaveLength(run)
  }
})
