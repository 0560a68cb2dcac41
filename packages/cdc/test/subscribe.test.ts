import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { CdcEngine } from '../src/index.ts'
import { rowsOf, temporaryFolder } from './given.ts'

it('a group goes on after a restart with exactly what it has not acknowledged', async () => {
  await using folder = await temporaryFolder()
  const options = { dataDir: folder.path, durability: 'buffered' } as const
  {
    await using cdc = await CdcEngine.open(options)
    const table = await cdc.table('t', { primaryKey: 'id' })
    for (let id = 0; id < 5; id++) await table.insert({ id })
    for await (const change of await table.subscribe({ groupId: 'g', from: 'earliest' })) {
      if (change.key !== 1) change.ack()
      if (change.key === 3) break
    }
  }
  await using cdc = await CdcEngine.open(options)
  const seen: unknown[] = []
  for await (const change of await cdc.subscribe('t', { groupId: 'g' })) {
    seen.push(change.key)
    change.ack()
    if (change.key === 4) break
  }
  expect(seen).toEqual([1, 4])
})

it('begins with what comes after it, and leaves out other operations and old rows unless they are asked for', async () => {
  await using cdc = await CdcEngine.open({ memory: true, bufferSize: 3 })
  const table = await cdc.table('t', { primaryKey: 'id' })
  await table.insert({ id: 'before' })
  const plain = await table.subscribe({ operations: ['update', 'delete'] })
  const whole = await table.subscribe({ includeOldValues: true })
  await table.insert({ id: 1, v: 1 })
  await table.update(1, { v: 2 })
  await table.delete(1)
  await table.truncate()
  const fields = ({ op, ...rows }: { op: string; oldRow?: unknown; newRow?: unknown }) => [
    op,
    'oldRow' in rows ? rows.oldRow : 'none',
    'newRow' in rows ? rows.newRow : 'none',
  ]
  const seen: unknown[] = []
  for await (const change of plain) if (seen.push(fields(change)) === 2) break
  expect(seen).toEqual([
    ['update', 'none', { id: 1, v: 2 }],
    ['delete', 'none', 'none'],
  ])
  for await (const change of whole) if (seen.push(fields(change)) === 6) break
  expect(seen.slice(2)).toEqual([
    ['insert', 'none', { id: 1, v: 1 }],
    ['update', { id: 1, v: 1 }, { id: 1, v: 2 }],
    ['delete', { id: 1, v: 2 }, 'none'],
    ['truncate', 'none', 'none'],
  ])
})

it('resumes from the position after one that was seen, with no group', async () => {
  await using cdc = await CdcEngine.open({ memory: true })
  const table = await cdc.table('t', { primaryKey: 'id' })
  for (let id = 0; id < 5; id++) await table.insert({ id })
  let position = 0
  for await (const change of await table.subscribe({ from: 'earliest' })) {
    position = change.position + 1
    if (change.key === 2) break
  }
  for await (const change of await table.subscribe({ from: { position } })) {
    expect(change.key).toBe(3)
    break
  }
})

it('exactly once: a table that follows another is the same after handlers have failed', async () => {
  await using log = await openLog({ memory: true })
  const cdc = new CdcEngine(log)
  const source = await cdc.table('source', { primaryKey: 'id' })
  const copy = await cdc.table('copy', { primaryKey: 'id' })
  for (let id = 0; id < 30; id++) await source.upsert({ id: id % 7, v: id })
  const changes = await source.subscribe({ groupId: 'copy', from: 'earliest', delivery: 'exactly-once', backoff: 0 })
  let failures = 0
  const running = changes.run(async (change, tx) => {
    if (change.op === 'insert' || change.op === 'update') await copy.within(tx).upsert(change.newRow)
    if (change.newRow?.v % 10 === 9 && change.attempts === 1 && failures++ < 3) throw new Error('fails')
    if (change.newRow?.v === 29) void changes.close()
  })
  await running
  const rows = async (table: typeof copy) => JSON.stringify(await rowsOf(table))
  expect(await rows(copy)).toBe(await rows(source))
  expect(failures).toBeGreaterThan(0)
})
