import { expect, it } from 'vitest'
import { payloads, run } from '../given/operator-run.ts'
import { payloadsOf, recordsOf } from '../given/topics.ts'

it('makes one value of each', async () => {
  const log = await run(payloads(1, 2), source => source.map(n => ({ n, square: n * n })).sink('out'))
  expect(await payloadsOf(log, 'out')).toEqual([
    { n: 1, square: 1 },
    { n: 2, square: 4 },
  ])
})

it('leaves key, headers, time and partition as they are', async () => {
  const headers = [
    { key: 'trace', value: Buffer.from('1') },
    { key: 'trace', value: null },
  ]
  const log = await run(
    [
      { key: 'ada', payload: 1, headers, timestamp: 7 },
      { payload: 2, partition: 2, timestamp: -5 },
    ],
    source => source.map(n => -n).sink('out'),
    3,
  )
  const shown = ({ key, headers, timestamp, partition }: Awaited<ReturnType<typeof recordsOf>>[number]) => ({
    key: key === null ? null : Buffer.from(key).toString(),
    headers: headers.map(({ key, value }) => [key, value === null ? null : Buffer.from(value).toString()]),
    timestamp,
    partition,
  })
  expect((await recordsOf(log, 'out')).map(shown)).toEqual((await recordsOf(log, 'in')).map(shown))
})

it('names the window of a result', async () => {
  const log = await run(payloads('a', 'b', 'c'), source =>
    source
      .keyBy(letter => letter)
      .window(2)
      .aggregate(letters => letters.length)
      .map((n, { key, start, end }) => [n, key, start, end])
      .sink('out'),
  )
  expect(await payloadsOf(log, 'out')).toEqual([
    [1, 'a', 0, 2],
    [1, 'b', 0, 2],
    [1, 'c', 2, 4],
  ])
})
