import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { CdcEngine } from '../src/index.ts'
import { changesOf, rowsOf, temporaryFolder } from './given.ts'

it('truncates more rows than a transaction could delete, in one commit with one change', async () => {
  await using log = await openLog({ memory: true })
  const cdc = new CdcEngine(log)
  const table = await cdc.table('t', { primaryKey: 'id' })
  const filler = 'x'.repeat(3000)
  await Promise.all(Array.from({ length: 6000 }, (_, id) => table.insert({ id: `${id}-${filler}` })))
  await log.transaction(async tx => {
    await table.within(tx).truncate()
    expect(await rowsOf(table.within(tx))).toEqual([])
    await table.within(tx).insert({ id: 'new' })
  })
  expect(await rowsOf(table)).toEqual([{ id: 'new' }])
  expect((await changesOf(table)).slice(6000).map(change => change.op)).toEqual(['truncate', 'insert'])
  await cdc.close()
})

it('leaves nothing behind, also when the process ended before all was swept', async () => {
  await using folder = await temporaryFolder()
  const options = { dataDir: folder.path, durability: 'buffered' } as const
  {
    await using cdc = await CdcEngine.open(options)
    const table = await cdc.table('t', { primaryKey: 'id' })
    await Promise.all(Array.from({ length: 5000 }, (_, id) => table.insert({ id })))
    await table.truncate()
    await table.insert({ id: 1, kept: true })
  }
  await using log = await openLog(options)
  const cdc = new CdcEngine(log)
  const table = await cdc.table('t', { primaryKey: 'id' })
  await cdc.swept()
  let entries = 0
  for await (const _ of log.scanState(table.topic)) entries++
  expect(entries).toBe(1)
  expect(await rowsOf(table)).toEqual([{ id: 1, kept: true }])
  await cdc.close()
})

it('a row written meanwhile is either before the truncate or after it', async () => {
  await using log = await openLog({ memory: true })
  const cdc = new CdcEngine(log)
  const table = await cdc.table('t', { primaryKey: 'id' })
  const writing = Array.from({ length: 50 }, (_, id) => table.insert({ id }))
  const truncating = log.transaction(tx => table.within(tx).truncate(), { retries: 100 })
  await Promise.all([...writing, truncating])
  const changes = (await changesOf(table)).map(change => change.op)
  const before = changes.indexOf('truncate')
  expect(changes).toHaveLength(51)
  expect(await rowsOf(table)).toHaveLength(50 - before)
})

it('a scan that a truncate overtakes shows each row at most once, and what was inserted again', async () => {
  await using log = await openLog({ memory: true })
  const cdc = new CdcEngine(log)
  const table = await cdc.table('t', { primaryKey: 'id' })
  for (let id = 0; id < 10; id++) await table.insert({ id })
  const seen: number[] = []
  for await (const row of table.scan()) {
    seen.push(row.id)
    if (row.id !== 4) continue
    await log.transaction(async tx => {
      await table.within(tx).truncate()
      for (let id = 0; id < 10; id++) await table.within(tx).insert({ id })
    })
    await cdc.swept()
  }
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})
