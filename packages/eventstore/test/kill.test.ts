import { join } from 'node:path'
import { expect, it } from 'vitest'
import { linesUntilKilled } from '../../../tooling/test/until-killed.ts'
import { EventStore } from '../src/index.ts'
import { checkOrder, eventsOf, temporaryFolder } from './given.ts'

// Four writers race with the same expected version; beside them transactions append to two streams.
const program = `import { EventStore } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
  const store = await EventStore.open({ dataDir: process.argv[1] })
  for (let n = (await store.load('race-1')).length; ; n++) {
    const racing = [0, 1, 2, 3].map(writer =>
      store.append('race-1', { type: 'won', data: { n, writer } }, { expectedVersion: n - 1 }).then(() => 1, () => 0))
    const pair = store.transaction(async tx => {
      await tx.append('pair-a', { type: 'pair', data: n })
      await tx.append('pair-b', [{ type: 'pair', data: n }, { type: 'pair', data: n }])
    })
    const wins = (await Promise.all(racing)).reduce((sum, won) => sum + won)
    await pair
    console.log(wins === 1 ? n : 'wins: ' + wins)
  }`

it('killed at any moment: what was acknowledged is there, one writer won each version, transactions are whole', async () => {
  await using folder = await temporaryFolder()
  const acknowledged: number[] = []
  for (const after of [1, 15, 50]) {
    for (const line of await linesUntilKilled(import.meta.dirname, program, [folder.path], after)) {
      expect(line).toMatch(/^\d+$/)
      acknowledged.push(Number(line))
    }
  }
  await using store = await EventStore.open({ dataDir: folder.path })
  const race = await store.load('race-1')
  expect(race.length).toBeGreaterThan(Math.max(...acknowledged))
  expect(race.map(event => event.data.n)).toEqual(race.map((_, n) => n))
  const a = (await store.load('pair-a')).map(event => event.data)
  const b = (await store.load('pair-b')).map(event => event.data)
  expect(b).toEqual(a.flatMap(n => [n, n]))
  expect(a).toEqual(expect.arrayContaining(acknowledged))
  await store.append('r', { type: 'last', data: 0 })
  checkOrder((await eventsOf(store, 'race-*')).filter(event => event.streamId === 'race-1'))
})

// A group reacts to each event of three streams with one of its own, while three writers go on.
const reacting = `import { EventStore } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
  const store = await EventStore.open({ dataDir: process.argv[1] })
  const group = await store.subscribe('in-*', { groupId: 'copy', delivery: 'exactly-once', backoff: 0 })
  let copied = 0
  void group.run(async (event, tx) => {
    await store.within(tx).append('copy-of-' + event.streamId, { type: 'copied', data: event.id })
    if (++copied % 20 === 0) console.log('copied')
  })
  for (let n = 0; ; n++)
    await Promise.all([0, 1, 2].map(w => store.append('in-' + w, [{ type: 'e', data: n }, { type: 'e', data: n }])))`

it('killed at any moment: a group has handled each event once and in order, and followers see the same', async () => {
  await using folder = await temporaryFolder()
  for (const after of [1, 3, 8]) await linesUntilKilled(import.meta.dirname, reacting, [folder.path], after)
  await using store = await EventStore.open({ dataDir: folder.path })
  const streams = await Promise.all([0, 1, 2].map(writer => store.load(`in-${writer}`)))
  const total = streams.reduce((sum, events) => sum + events.length, 0)
  const group = await store.subscribe('in-*', { groupId: 'copy', delivery: 'exactly-once', backoff: 0 })
  const running = group.run((event, tx) =>
    store
      .within(tx)
      .append(`copy-of-${event.streamId}`, { type: 'copied', data: event.id })
      .then(() => undefined),
  )
  let left = total
  for await (const _ of await store.subscribe('copy-of-*')) if (--left === 0) break
  await group.close()
  await running
  for (const [writer, events] of streams.entries()) {
    const copies = await store.load(`copy-of-in-${writer}`)
    expect(copies.map(event => event.data)).toEqual(events.map(event => event.id))
  }
  const followed = []
  for await (const event of await store.subscribe('in-*')) if (followed.push(event) === total) break
  checkOrder(followed)
}, 60_000)
