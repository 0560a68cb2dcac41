import { expect, it } from 'vitest'
import { payloads, run } from '../given/operator-run.ts'
import { payloadsOf, recordsOf, resultsOf } from '../given/topics.ts'

it('makes none, one or many of each', async () => {
  const log = await run(payloads('', 'a', 'bc'), source => source.flatMap(text => [...(text as string)]).sink('out'))
  expect(await payloadsOf(log, 'out')).toEqual(['a', 'b', 'c'])
})

it('lets no part inherit the key of the part before it', async () => {
  const log = await run([{ key: 'own', payload: ['x', null, 'y'] }], source =>
    source
      .flatMap(parts => parts as (string | null)[])
      .keyBy(part => part)
      .sink('out'),
  )
  const keys = (await recordsOf(log, 'out')).map(({ key }) => (key === null ? null : Buffer.from(key).toString()))
  expect(keys).toEqual(['x', null, 'y'])
})

it('drops no part of a record because of a later one: the watermark moves after the whole record', async () => {
  const log = await run(payloads([100, 5], [200]), source =>
    source
      .flatMap(times => times as number[])
      .timestampBy(time => time)
      .window(10)
      .aggregate(times => times)
      .sink('out'),
  )
  expect(await resultsOf(log, 'out')).toEqual([
    [null, 0, 10, [5]],
    [null, 100, 110, [100]],
    [null, 200, 210, [200]],
  ])
})
