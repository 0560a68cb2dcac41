import { join } from 'node:path'
import { expect, it } from 'vitest'
import { linesUntilKilled } from '../../../tooling/test/until-killed.ts'
import { CdcEngine } from '../src/index.ts'
import { changesOf, replay, rowsOf, temporaryFolder } from './given.ts'

// Two tables that always change together; row 0 counts what was acknowledged.
const program = `import { CdcEngine } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
  import { openLog } from '@aegis/log'
  const log = await openLog({ dataDir: process.argv[1] })
  const cdc = new CdcEngine(log)
  const a = await cdc.table('a', { primaryKey: 'id' })
  const b = await cdc.table('b', { primaryKey: 'id' })
  for (let n = (await a.get(0))?.n ?? 0; ; n++) {
    const id = 1 + n % 7
    await Promise.all([
      log.transaction(async tx => {
        await a.within(tx).upsert({ id: 0, n })
        await b.within(tx).upsert({ id: 0, n })
        if (n % 10 === 9) for (const table of [a, b]) await table.within(tx).truncate()
        for (const table of [a, b]) await table.within(tx).upsert({ id, n })
        for (const table of [a, b]) await table.within(tx).upsert({ id: 0, n })
      }),
      a.upsert({ id: 100 + id, n })
    ])
    console.log(n)
  }`

it('killed at any moment: row and change are both there or both not, over all tables of a transaction', async () => {
  await using folder = await temporaryFolder()
  let acknowledged = -1
  for (const after of [1, 12, 40]) {
    const lines = await linesUntilKilled(import.meta.dirname, program, [folder.path], after)
    acknowledged = Math.max(acknowledged, ...lines.map(Number))
  }
  await using cdc = await CdcEngine.open({ dataDir: folder.path })
  const a = await cdc.table('a', { primaryKey: 'id' })
  const b = await cdc.table('b', { primaryKey: 'id' })
  const [rowsA, rowsB] = [await rowsOf(a), await rowsOf(b)]
  expect(rowsA[0].n).toBeGreaterThanOrEqual(acknowledged)
  expect(rowsA.filter(({ id }) => id < 100)).toEqual(rowsB)
  for (const [table, rows] of [[a, rowsA] as const, [b, rowsB] as const]) {
    const replayed = replay(await changesOf(table))
    expect(replayed).toEqual(new Map(rows.map(row => [row.id, row])))
  }
})
