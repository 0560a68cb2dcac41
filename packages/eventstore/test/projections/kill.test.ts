import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { EventStore } from '../../src/index.ts'
import { readModel, startProjections } from '../../src/projections/index.ts'
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
  for (const after of [3, 20, 41]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, folder.path], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let seen = 0
    for await (const _ of createInterface({ input: child.stdout })) if (++seen === after) child.kill('SIGKILL')
    expect(seen).toBeGreaterThanOrEqual(after)
  }
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
