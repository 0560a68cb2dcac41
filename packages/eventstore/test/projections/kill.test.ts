import { join } from 'node:path'
import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { linesUntilKilled } from '../../../../tooling/test/until-killed.ts'
import { EventStore } from '../../src/index.ts'
import { inline, readModel, rebuildInline, startProjections } from '../../src/projections/index.ts'
import { temporaryFolder } from '../given.ts'

const count = `({
  name: 'count',
  async apply({ streamId, data }, model) {
    model.put(streamId, ((await model.get(streamId)) ?? 0) + data)
  },
})`

// Appends, projects, and rebuilds all the time.
const program = `import { EventStore } from ${JSON.stringify(join(import.meta.dirname, '../../dist/index.js'))}
  import { startProjections } from ${JSON.stringify(join(import.meta.dirname, '../../dist/projections/index.js'))}
  const store = await EventStore.open({ dataDir: process.argv[1] })
  const runner = await startProjections(store, [${count}])
  const rebuilding = async () => {
    for (;;) await runner.rebuild('count')
  }
  rebuilding()
  for (let n = 0; ; n++) {
    const { position } = await store.append('stream-' + n % 3, [{ type: 'Added', data: n % 7 }, { type: 'Added', data: 1 }])
    if (n % 5 === 0) await runner.waitFor('count', position)
    console.log(n)
  }`

it('killed at any moment, between builds too: each event is in the model once', async () => {
  await using folder = await temporaryFolder()
  for (const after of [3, 20, 41]) await linesUntilKilled(import.meta.dirname, program, [folder.path], after)
  await using log = await openLog({ dataDir: folder.path })
  const store = new EventStore(log)
  // biome-ignore lint/security/noGlobalEval: the program that was killed and this one have the same projection
  const projection = eval(count)
  await using runner = await startProjections(store, [projection])
  await runner.caughtUp('count')
  const model = await readModel(store, projection)
  for (const streamId of ['stream-0', 'stream-1', 'stream-2']) {
    const events = await store.load(streamId)
    expect(events.length).toBeGreaterThan(0)
    expect(await model.get(streamId)).toBe(events.reduce((sum, { data }) => sum + data, 0))
  }
}, 60_000)

const chain = `({
  name: 'chain',
  async apply({ streamId, data }, model) {
    model.put(streamId, (((await model.get(streamId)) ?? 7) * 31 + data) % 1000003)
  },
})`

// Appends to an inline projection, and rebuilds it all the time.
const inlined = `import { EventStore } from ${JSON.stringify(join(import.meta.dirname, '../../dist/index.js'))}
  import { openLog } from '@aegis/log'
  import { inline, rebuildInline } from ${JSON.stringify(join(import.meta.dirname, '../../dist/projections/index.js'))}
  const chain = ${chain}
  const store = new EventStore(await openLog({ dataDir: process.argv[1] }), { projections: [inline(chain)] })
  const rebuilding = async () => {
    for (;;) await rebuildInline(store, chain)
  }
  rebuilding()
  for (let n = 0; ; n++) {
    await store.append('stream-' + n % 3, [{ type: 'Added', data: n % 7 }, { type: 'Added', data: 1 }])
    console.log(n)
  }`

it('killed at any moment, while an inline projection is switched too: each event is in the model once, in order', async () => {
  await using folder = await temporaryFolder()
  for (const after of [3, 20, 41]) await linesUntilKilled(import.meta.dirname, inlined, [folder.path], after)
  await using log = await openLog({ dataDir: folder.path })
  // biome-ignore lint/security/noGlobalEval: the program that was killed and this one have the same projection
  const projection = eval(chain)
  const store = new EventStore(log, { projections: [inline(projection)] })
  const check = async (): Promise<void> => {
    const model = await readModel(store, projection)
    for (const streamId of ['stream-0', 'stream-1', 'stream-2']) {
      const events = await store.load(streamId)
      expect(events.length).toBeGreaterThan(0)
      const expected = events.reduce((before, { data }) => (before * 31 + data) % 1000003, 7)
      expect(await model.get(streamId)).toBe(expected)
    }
  }
  await check()
  // Whatever the kill has left behind, appends and rebuilds go on.
  await store.append('stream-0', { type: 'Added', data: 5 })
  await check()
  await rebuildInline(store, projection)
  await check()
}, 60_000)
