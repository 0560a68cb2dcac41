import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { EventStore } from '../src/index.ts'

it('a stream of 100,000 events is appended to, loaded, read in both directions and replayed from its snapshot', async () => {
  await using log = await openLog({ memory: true })
  const store = new EventStore(log)
  const length = 100_000
  for (let at = 0; at < length; at += 1000) {
    await store.append(
      'long',
      Array.from({ length: 1000 }, (_, n) => ({ type: 'e', data: at + n })),
      { expectedVersion: at - 1 },
    )
  }
  const loaded = await store.load('long')
  expect(loaded).toHaveLength(length)
  expect(loaded.every(({ version, data }, at) => version === at && data === at)).toBe(true)
  let next = length
  for await (const { version } of store.read('long', { direction: 'backwards' })) expect(version).toBe(--next)
  expect(next).toBe(0)
  for await (const { data } of store.read('long', { from: length - 2 })) expect(data).toBe(length - 2 + next++)
  let evolved = 0
  const sums = store.commandHandler(
    {
      initialState: () => 0,
      evolve(sum: number, { data }) {
        evolved++
        return sum + data
      },
      decide: (data: number) => ({ type: 'e', data }),
    },
    { snapshots: { version: 1, every: 1000 } },
  )
  await sums.handle('long', 1)
  expect(evolved).toBe(length + 1)
  expect(await sums.load('long')).toEqual({ state: (length * (length - 1)) / 2 + 1, version: length })
  expect(evolved).toBe(length + 1)
}, 60_000)

it('ten thousand streams are told apart, listed by prefix, and each found at once', async () => {
  await using log = await openLog({ memory: true })
  const store = new EventStore(log)
  const count = 10_000
  for (let first = 0; first < count; first += 1000) {
    await store.transaction(async events => {
      for (let n = first; n < first + 1000; n++) await events.append(`${n % 3}-${n}`, { type: 'e', data: n })
    })
  }
  let listed = 0
  for await (const { streamId, version } of store.listStreams('1-*')) {
    expect([streamId.startsWith('1-'), version]).toEqual([true, 0])
    listed++
  }
  expect(listed).toBe(Math.floor(count / 3))
  for (let n = 0; n < count; n += 97) {
    expect((await store.load(`${n % 3}-${n}`)).map(({ data }) => data)).toEqual([n])
  }
}, 60_000)
