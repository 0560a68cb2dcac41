import { expect, test } from 'vitest'
import { AggregateRoot, Event, EventStore } from '../src/index.ts'
import { temporaryFolder } from './given.ts'

class Account extends AggregateRoot {
  balance = 0
  apply(event: { data: { amount: number } }) {
    this.balance += event.data.amount
  }
}

test('appends, conflicts, loads and replays', async () => {
  await using store = await EventStore.open({ memory: true })
  expect(await store.load('a')).toEqual([])
  await store.append('a', [new Event('In', { amount: 1 }), { type: 'In', data: { amount: 2 } }], {
    expectedVersion: 'no-stream',
  })
  await expect(store.append('a', new Event('In', {}), { expectedVersion: 0 })).rejects.toMatchObject({
    code: 'VERSION_CONFLICT',
    details: { expected: 0, actual: 1 },
  })
  const account = Account.fromEvents(await store.load('a'))
  expect([account.balance, account.version]).toEqual([3, 1])
  await expect(store.append('a', new globalThis.Event('x') as never)).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  await expect(store.append('a*', [])).rejects.toMatchObject({ code: 'EVENT_INVALID' })
})

test('a subscription goes from stored to live without gap or repeat', async () => {
  await using store = await EventStore.open({ memory: true })
  for (let i = 0; i < 20; i++) await store.append('account-1', new Event('n', i))
  const writing = (async () => {
    for (let i = 20; i < 60; i++) {
      await store.append('other', new Event('n', i))
      await store.append('account-1', new Event('n', i))
    }
  })()
  const seen: number[] = []
  for await (const event of await store.subscribe('account-*')) {
    expect(event.version).toBe(event.data)
    seen.push(event.data)
    if (seen.length === 60) break
  }
  await writing
  expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => i))
})

test('options that are refused leave no log open', async () => {
  await using folder = await temporaryFolder()
  const wrong = EventStore.open({ dataDir: folder.path, unknownTypes: 'skip' })
  await expect(wrong).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  await using store = await EventStore.open({ dataDir: folder.path })
  await store.append('a', { type: 'e', data: 1 })
})
