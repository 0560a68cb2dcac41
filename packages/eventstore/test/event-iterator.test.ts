import { expect, it } from 'vitest'
import { EventStore } from '../src/index.ts'

async function storeOf(count: number): Promise<EventStore> {
  const store = await EventStore.open({ memory: true, types: ['e'], unknownTypes: 'throw' })
  for (let n = 0; n < count; n++) await store.append('a', { type: 'e', data: n })
  return store
}

it('requests that are made at once are answered in order, each with its event, and then with the end', async () => {
  await using store = await storeOf(3)
  for (const events of [store.read('a'), store.readAll()]) {
    const results = await Promise.all(Array.from({ length: 5 }, () => events.next()))
    expect(results.map(({ value }) => value?.data)).toEqual([0, 1, 2, undefined, undefined])
    expect(results.map(({ done }) => done)).toEqual([false, false, false, true, true])
  }
})

it('nothing comes after the reading was ended, by its reader or by an error', async () => {
  await using store = await storeOf(3)
  const left = store.readAll()
  await left.next()
  expect(await left.return()).toEqual({ done: true, value: undefined })
  expect(await left.next()).toEqual({ done: true, value: undefined })

  await store.append('a', { type: 'unknown', data: 3 })
  const failing = store.readAll()
  for (let n = 0; n < 3; n++) expect((await failing.next()).value?.data).toBe(n)
  await expect(failing.next()).rejects.toMatchObject({ code: 'EVENT_TYPE_UNKNOWN' })
  expect(await failing.next()).toEqual({ done: true, value: undefined })
})
