import { openLog } from '@aegis/log'
import { expect, test } from 'vitest'
import { CdcEngine, type ChangeEvent } from '../src/index.ts'

test('writes inside a transaction of the log: rows and changes together or not at all, with one transaction id', async () => {
  await using log = await openLog({ memory: true })
  const cdc = new CdcEngine(log)
  const users = await cdc.table<{ id: number; name: string }>('users', { primaryKey: 'id' })
  const orders = await cdc.table('orders', { primaryKey: 'no' })
  const failure = new Error('changed my mind')
  await expect(
    log.transaction(async tx => {
      await users.within(tx).insert({ id: 1, name: 'Ada' })
      throw failure
    }),
  ).rejects.toBe(failure)
  expect(await users.get(1)).toBeUndefined()

  await log.transaction(async tx => {
    await users.within(tx).insert({ id: 1, name: 'Ada' })
    const same = cdc.within(tx).table('users')
    await same.update(1, { name: 'Ada L.' })
    await same.update(1, { name: 'Ada Lovelace' })
    expect(await same.get(1)).toEqual({ id: 1, name: 'Ada Lovelace' })
    await orders.within(tx).upsert({ no: 'a' })
    await expect(same.insert({ id: 1 })).rejects.toMatchObject({ code: 'ROW_EXISTS' })
    await expect(cdc.within(tx).table('nobody').get(1)).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' })
  })
  const changes: ChangeEvent[] = []
  for (const [table, count] of [
    ['users', 3],
    ['orders', 1],
  ] as const) {
    let left = count
    for await (const change of await cdc.subscribe(table, { from: 'earliest', includeOldValues: true })) {
      changes.push(change)
      if (--left === 0) break
    }
  }
  expect(changes.map(({ op, oldRow, newRow }) => [op, oldRow?.name, newRow?.name])).toEqual([
    ['insert', undefined, 'Ada'],
    ['update', 'Ada', 'Ada L.'],
    ['update', 'Ada L.', 'Ada Lovelace'],
    ['insert', undefined, undefined],
  ])
  expect(new Set(changes.map(change => change.transactionId)).size).toBe(1)
})
