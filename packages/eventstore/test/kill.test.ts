import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
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
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, folder.path], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let seen = 0
    for await (const line of createInterface({ input: child.stdout })) {
      expect(line).toMatch(/^\d+$/)
      acknowledged.push(Number(line))
      if (++seen === after) child.kill('SIGKILL')
    }
    expect(seen).toBeGreaterThanOrEqual(after)
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
