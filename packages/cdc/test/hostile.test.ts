import { expect, it } from 'vitest'
import { CdcEngine } from '../src/index.ts'
import { changesOf, replay, rowsOf } from './given.ts'

const keys = [
  '',
  '__proto__',
  'constructor',
  '$table.t',
  'a/b',
  '..',
  '\u0000',
  '\u0000\u0000a',
  'é',
  'e\u0301',
  '日本語',
  '😀',
  'k'.repeat(1000),
  '\u0001'.repeat(4000),
  0,
  -1,
  1e308,
  -1e-320,
  Number.MAX_SAFE_INTEGER,
]

it('keys and field names that mean something elsewhere are only data', async () => {
  await using cdc = await CdcEngine.open({ memory: true })
  const table = await cdc.table('t', { primaryKey: 'id' })
  const row = (id: string | number) =>
    JSON.parse(JSON.stringify({ id, proto: 1, toString: 2 }).replace('"proto"', '"__proto__"'))
  await Promise.all(keys.map(id => table.insert(row(id))))
  for (const id of keys) {
    expect(JSON.stringify(await table.get(id))).toBe(JSON.stringify(row(id)))
    await table.update(id, JSON.parse('{"__proto__":{"polluted":true}}'))
    expect(JSON.stringify(await table.get(id))).toContain('"__proto__":{"polluted":true}')
  }
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  const changes = await changesOf(table)
  expect(replay(changes).size).toBe(keys.length)
  expect(new Set((await rowsOf(table)).map(({ id }) => id))).toEqual(new Set(keys))
  for (const id of keys) await table.delete(id)
  expect(await rowsOf(table)).toEqual([])
})

it.each([
  ['no primary key', { v: 1 }],
  ['an inherited primary key', Object.create({ id: 1 })],
  ['null as primary key', { id: null }],
  ['a primary key that is not finite', { id: Number.NaN }],
  ['a lone surrogate', { id: '\ud800' }],
  ['a primary key over 4,000 bytes', { id: 'k'.repeat(4001) }],
  ['an array', [{ id: 1 }]],
  ['null', null],
  ['a bigint', { id: 1, v: 1n }],
  ['a toJSON that gives text', { id: 1, toJSON: () => 'text' }],
])('a row with %s is refused with ROW_INVALID, and others beside it are written', async (_, row) => {
  await using cdc = await CdcEngine.open({ memory: true })
  const table = await cdc.table('t', { primaryKey: 'id' })
  const [refused] = await Promise.allSettled([table.upsert(row), table.upsert({ id: 'good' })])
  expect(refused).toMatchObject({ reason: { code: 'ROW_INVALID' } })
  expect(await rowsOf(table)).toEqual([{ id: 'good' }])
})

it('a row of 1 MB can be inserted, updated and deleted with its old values; a larger one is refused', async () => {
  await using cdc = await CdcEngine.open({ memory: true })
  const table = await cdc.table('t', { primaryKey: 'id' })
  const text = '"'.repeat(499_980)
  await Promise.all(Array.from({ length: 20 }, (_, id) => table.insert({ id, text })))
  await Promise.all(Array.from({ length: 20 }, (_, id) => table.update(id, { text: text.replace('"', '\\') })))
  await expect(table.update(1, { text: `${text}${'x'.repeat(40)}` })).rejects.toMatchObject({ code: 'ROW_TOO_LARGE' })
  await expect(table.insert({ id: 'x', text: 'x'.repeat(1e6) })).rejects.toMatchObject({ code: 'ROW_TOO_LARGE' })
  await Promise.all(Array.from({ length: 20 }, (_, id) => table.delete(id)))
  expect(await rowsOf(table)).toEqual([])
  expect((await changesOf(table)).at(-1)!.oldRow.text).toHaveLength(text.length)
})

it('names, settings and options that are not allowed are refused, naming them', async () => {
  await using cdc = await CdcEngine.open({ memory: true })
  for (const name of ['', 'a/b', 'ü', 'x'.repeat(241), undefined]) {
    await expect(cdc.table(name as string, { primaryKey: 'id' })).rejects.toMatchObject({ code: 'CDC_INVALID' })
  }
  await cdc.table('t', { primaryKey: 'id', maxRowSize: '100KB' })
  await cdc.table('t', { primaryKey: 'id', maxRowSize: 100_000 })
  await expect(cdc.table('t', { primaryKey: 'no' })).rejects.toMatchObject({
    code: 'TABLE_EXISTS',
    message: expect.stringContaining('primaryKey is id, asked for no; maxRowSize is 100000, asked for 1000000'),
  })
  await expect(cdc.subscribe('unknown')).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' })
  await expect(cdc.subscribe('t', { operations: ['drop' as 'delete'] })).rejects.toMatchObject({ code: 'CDC_INVALID' })
  expect(() => new CdcEngine({} as never, { bufferSize: 0 })).toThrow(expect.objectContaining({ code: 'CDC_INVALID' }))
})
