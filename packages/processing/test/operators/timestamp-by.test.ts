import { expect, it } from 'vitest'
import { payloads, run } from '../given/operator-run.ts'
import { recordsOf, resultsOf } from '../given/topics.ts'

const hour = 3_600_000
const noon = Date.UTC(2026, 0, 1, 12)

it.each([
  ['milliseconds', noon + 1],
  ['ISO 8601', '2026-01-01T12:00:00.001Z'],
  ['ISO 8601 with another zone', '2026-01-01T13:30:00+01:30'],
  ['ISO 8601 without a zone, as UTC wherever the program runs', '2026-01-01T12:00'],
  ['ISO 8601 with a space', '2026-01-01 12:59:59.999'],
])('takes %s', async (_, time) => {
  const log = await run(payloads({ time }), source =>
    source
      .timestampBy(e => e.time)
      .window('1h')
      .aggregate(items => items.length)
      .sink('out'),
  )
  expect(await resultsOf(log, 'out')).toEqual([[null, noon, noon + hour, 1]])
})

it('takes a Date, and fractions of a millisecond rounded down', async () => {
  const log = await run(payloads(-0.5, 99.9), source =>
    source
      .map(time => (time < 0 ? time : new Date(99)))
      .timestampBy(time => time)
      .window(100)
      .aggregate(items => items.length)
      .sink('out'),
  )
  expect(await resultsOf(log, 'out')).toEqual([
    [null, -100, 0, 1],
    [null, 0, 100, 1],
  ])
})

it('is the timestamp of what goes to the sink', async () => {
  const log = await run(payloads(5), source => source.timestampBy(() => 123).sink('out'))
  expect((await recordsOf(log, 'out'))[0]?.timestamp).toBe(123)
})

it.each([
  ['undefined', undefined],
  ['null', null],
  ['NaN', Number.NaN],
  ['beyond any date', 9e15],
  ['not a time', 'yesterday'],
  ['local formats, which mean another time elsewhere', '2026/01/01 12:00'],
  ['an impossible day', '2026-13-01'],
  ['an invalid Date', new Date(Number.NaN)],
])('refuses %s, naming operator and record', async (_, time) => {
  const failed = run(payloads('record'), source => source.timestampBy(() => time as number).sink('out'))
  await expect(failed).rejects.toMatchObject({
    code: 'OPERATOR_FAILED',
    message: expect.stringContaining('timestampBy (operator 1) failed on the record at offset 0 of in/0'),
    cause: expect.objectContaining({ code: 'TIMESTAMP_INVALID' }),
  })
})
