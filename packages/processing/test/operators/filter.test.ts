import { expect, it } from 'vitest'
import { payloads, run } from '../given/operator-run.ts'
import { payloadsOf } from '../given/topics.ts'

it('lets through what the function says, in order', async () => {
  const log = await run(payloads(1, 2, 3, 4), source => source.filter(n => n % 2 === 0).sink('out'))
  expect(await payloadsOf(log, 'out')).toEqual([2, 4])
})

it('sees the record beside the value', async () => {
  const log = await run(payloads('a', 'b'), source => source.filter((_, record) => record.offset === 1).sink('out'))
  expect(await payloadsOf(log, 'out')).toEqual(['b'])
})

it('narrows the type by a guard', async () => {
  const log = await run(payloads('a', 1), source =>
    source
      .map((value): string | number => value)
      .filter(value => typeof value === 'string')
      .map(text => text.toUpperCase())
      .sink('out'),
  )
  expect(await payloadsOf(log, 'out')).toEqual(['A'])
})

it('leaves results out behind an aggregate', async () => {
  const log = await run(payloads(1, 2, 3, 4), source =>
    source
      .window(2)
      .aggregate(numbers => numbers.length * numbers[0])
      .filter((_, { start }) => start > 0)
      .sink('out'),
  )
  expect(await payloadsOf(log, 'out')).toEqual([6])
})
