import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { CdcEngine } from '../src/index.ts'
import { changesOf, replay } from './given.ts'

it('a row that everybody changes at once: every change is applied and captured, each upon the one before', async () => {
  await using cdc = await CdcEngine.open({ memory: true })
  const table = await cdc.table('t', { primaryKey: 'id' })
  await table.insert({ id: 1 })
  await Promise.all(Array.from({ length: 500 }, (_, n) => table.update(1, { [`f${n}`]: n })))
  expect(Object.keys((await table.get(1))!)).toHaveLength(501)
  const changes = await changesOf(table)
  expect(changes.map(change => change.op)).toEqual(['insert', ...Array.from({ length: 500 }, () => 'update')])
  expect(replay(changes)).toEqual(new Map([[1, await table.get(1)]]))
})

it('many inserts of one key: one wins, the others hear of it, and nothing else is refused', async () => {
  await using cdc = await CdcEngine.open({ memory: true })
  const table = await cdc.table('t', { primaryKey: 'id' })
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => table.insert({ id: n % 2, n })))
  expect(outcomes.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    ...Array.from({ length: 18 }, () => 'rejected'),
  ])
  for (const outcome of outcomes.slice(2)) expect(outcome).toMatchObject({ reason: { code: 'ROW_EXISTS' } })
})

it('transactions and single writes on one row: none is lost', async () => {
  await using log = await openLog({ memory: true })
  const cdc = new CdcEngine(log)
  const table = await cdc.table<{ id: number; counted: number; touched?: number }>('t', { primaryKey: 'id' })
  await table.insert({ id: 1, counted: 0 })
  const count = () =>
    log.transaction(
      async tx => {
        const rows = table.within(tx)
        await rows.update(1, { counted: (await rows.get(1))!.counted + 1 })
      },
      { retries: 1000 },
    )
  await Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      await table.update(1, { touched: n })
      await count()
    }),
  )
  expect((await table.get(1))!.counted).toBe(40)
  replay(await changesOf(table))
})

it('writes that one transaction does not await one by one are applied in the order in which they were called', async () => {
  await using log = await openLog({ memory: true })
  const cdc = new CdcEngine(log)
  const table = await cdc.table('t', { primaryKey: 'id' })
  await log.transaction(async tx => {
    const rows = table.within(tx)
    await Promise.all([
      rows.insert({ id: 1, v: 1 }),
      table.within(tx).update(1, { v: 2 }),
      rows.delete(1),
      rows.upsert({ id: 1, v: 3 }),
    ])
  })
  expect((await changesOf(table)).map(({ op, oldRow, newRow }) => [op, oldRow?.v, newRow?.v])).toEqual([
    ['insert', undefined, 1],
    ['update', 1, 2],
    ['delete', 2, undefined],
    ['insert', undefined, 3],
  ])
})
