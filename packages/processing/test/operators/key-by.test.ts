import { AegisError } from '@aegis/storage'
import { expect, it } from 'vitest'
import { payloads, run } from '../given/operator-run.ts'
import { recordsOf, resultsOf } from '../given/topics.ts'

const count = (keys: readonly unknown[]) =>
  run(payloads(...keys), source =>
    source
      .keyBy(key => key)
      .window('1h')
      .aggregate((items, { key }) => [key, items.length])
      .sink('out'),
  )

it('keeps hostile keys apart', async () => {
  const keys = [
    '__proto__',
    'constructor',
    '',
    ' ',
    '\u0000',
    'a\u0000',
    'ñ',
    'n\u0303',
    '😀',
    '[1]',
    'x'.repeat(100_000),
  ]
  const log = await count([...keys, ...keys])
  const results = (await resultsOf(log, 'out')).map(([key, , , payload]) => [key, payload])
  expect(results).toEqual(keys.sort().map(key => [key, [key, 2]]))
})

it('tells texts, numbers, booleans and null apart', async () => {
  const log = await count(['1', 1, 'true', true, 'null', null, 1, null, 0, -0])
  expect((await resultsOf(log, 'out')).map(([key, , , payload]) => [key, payload])).toEqual([
    [null, [null, 2]],
    ['true', [true, 1]],
    ['0', [0, 2]],
    ['1', [1, 2]],
    ['1', ['1', 1]],
    ['null', ['null', 1]],
    ['true', ['true', 1]],
  ])
})

it('is the key of what goes to the sink, with a window or without', async () => {
  const log = await run([{ key: 'from', payload: 'to' }], source => source.keyBy(key => key).sink('out'))
  expect(Buffer.from((await recordsOf(log, 'out'))[0]!.key!).toString()).toBe('to')
})

it.each([
  ['undefined', {}],
  ['an object', { key: { a: 1 } }],
  ['a text with a lone surrogate', { key: '\ud800' }],
])('refuses %s as a key, naming operator and record', async (_, payload) => {
  const failed = run([{ payload: { key: 'fine' } }, { payload }], source => source.keyBy(e => e.key).sink('out'))
  await expect(failed).rejects.toMatchObject({
    code: 'OPERATOR_FAILED',
    details: { operator: 'keyBy (operator 1)', topic: 'in', partition: 0, offset: 1 },
    cause: expect.objectContaining({ code: 'KEY_INVALID' }),
  })
  await expect(failed).rejects.toSatisfy(error => AegisError.is(error))
})
