import { join } from 'node:path'
import { expect, it } from 'vitest'
import { linesUntilKilled } from '../../../../tooling/test/until-killed.ts'
import { EventStore } from '../../src/index.ts'
import { startWorkflows, type Workflow } from '../../src/workflows/index.ts'
import { temporaryFolder } from '../given.ts'

const workflow = `({
  name: 'echo',
  streams: 'in-*',
  correlate: ({ streamId }) => streamId,
  initialState: () => 0,
  decide: ({ type, data }, count) =>
    type === 'Asked'
      ? [
          { action: 'publish', streamId: 'answers', events: [{ type: 'Answered', data }] },
          { action: 'schedule', timer: String(data), message: { type: 'Reminded', data }, when: { after: data % 3 } },
        ]
      : [{ action: 'publish', streamId: 'reminders', events: [{ type: 'Reminded', data }] }],
  evolve: (count, { type }) => count + (type === 'Asked' ? 1 : 0),
})`

const program = `import { EventStore } from ${JSON.stringify(join(import.meta.dirname, '../../dist/index.js'))}
  import { startWorkflows } from ${JSON.stringify(join(import.meta.dirname, '../../dist/workflows/index.js'))}
  const store = await EventStore.open({ dataDir: process.argv[1] })
  await startWorkflows(store, [${workflow}])
  const before = [...await store.load('in-0'), ...await store.load('in-1')].length
  for (let n = before; ; n++) {
    await store.append('in-' + n % 2, { type: 'Asked', data: n })
    console.log(n)
  }`

it('killed at any moment: each event and each timer was reacted to once', async () => {
  await using folder = await temporaryFolder()
  for (const after of [2, 20, 45]) await linesUntilKilled(import.meta.dirname, program, [folder.path], after)
  await using store = await EventStore.open({ dataDir: folder.path })
  // biome-ignore lint/security/noGlobalEval: the program that was killed and this one have the same workflow
  const echo: Workflow = eval(workflow)
  const inputs = [...(await store.load('in-0')), ...(await store.load('in-1'))].map(({ data }) => data)
  await using runner = await startWorkflows(store, [echo])
  const data: number[] = []
  for await (const event of await store.subscribe('reminders')) if (data.push(event.data) === inputs.length) break
  await runner.caughtUp('echo')
  const all = (streamId: string) =>
    store.load(streamId).then(events => events.map(event => event.data).sort((a, b) => a - b))
  const expected = inputs.sort((a, b) => a - b)
  expect(await all('answers')).toEqual(expected)
  expect(await all('reminders')).toEqual(expected)
  const states = await Promise.all(['in-0', 'in-1'].map(id => runner.instance<number>('echo', id)))
  expect(states.reduce((sum, instance) => sum + instance!.state!, 0)).toBe(inputs.length)
}, 60_000)
