import { type Log, openLog, type Transaction } from '@aegis/log'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CdcEngine, type Table, type TableOperations } from '../src/index.ts'
import { encodeKey } from '../src/primary-key.ts'
import { changesOf, replay, rowsOf, temporaryFolder } from './given.ts'

type Step = readonly [op: 'insert' | 'update' | 'upsert' | 'delete' | 'truncate', id: number | string, v: number]
type Model = Map<number | string, { id: number | string; v: number }>

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('insert', 'update', 'upsert', 'delete', 'truncate'),
  fc.constantFrom(1, 2, -3.5, '1', 'b', ''),
  fc.integer(),
)
const steps = fc.array(step, { maxLength: 8 })
const run = fc.oneof(
  fc.record({ how: fc.constantFrom('one by one', 'at once', 'committed', 'aborted'), steps }),
  fc.record({ how: fc.constant('reopen' as const), steps: fc.constant([]) }),
)

/** What the operation must answer, and what it makes of the rows. */
function expected(rows: Model, [op, id, v]: Step): string {
  const there = rows.has(id)
  if (op === 'insert' && there) return 'ROW_EXISTS'
  if ((op === 'update' || op === 'delete') && !there) return 'ROW_UNKNOWN'
  if (op === 'truncate') rows.clear()
  else if (op === 'delete') rows.delete(id)
  else rows.set(id, { id, v })
  return 'done'
}

function apply(table: TableOperations, [op, id, v]: Step): Promise<string> {
  const operation = {
    insert: () => table.insert({ id, v }),
    update: () => table.update(id, { v }),
    upsert: () => table.upsert({ id, v }),
    delete: () => table.delete(id),
    truncate: () => table.truncate(),
  }[op]
  return operation().then(
    () => 'done',
    (error: { code: string }) => error.code,
  )
}

async function inTransaction(log: Log, work: (tx: Transaction) => Promise<void>, abort: boolean): Promise<void> {
  const aborted = new Error('aborted')
  const done = log.transaction(async tx => {
    await work(tx)
    if (abort) throw aborted
  })
  await (abort ? expect(done).rejects.toBe(aborted) : done)
}

it('answers and holds what a map would, and replaying its changes gives its rows, over transactions and reopening', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(run, { maxLength: 8 }), async runs => {
      await using folder = await temporaryFolder()
      const open = () => openLog({ dataDir: folder.path, durability: 'buffered' })
      let log = await open()
      let table: Table = await new CdcEngine(log).table('t', { primaryKey: 'id' })
      let rows: Model = new Map()
      for (const { how, steps } of runs) {
        const before = new Map(rows)
        const answers = steps.map(step => expected(rows, step))
        if (how === 'reopen') {
          await log.close()
          log = await open()
          table = await new CdcEngine(log).table('t', { primaryKey: 'id' })
        } else if (how === 'one by one') {
          for (const [at, step] of steps.entries()) expect(await apply(table, step)).toBe(answers[at])
        } else if (how === 'at once') {
          expect(await Promise.all(steps.map(step => apply(table, step)))).toEqual(answers)
        } else {
          const abort = how === 'aborted'
          await inTransaction(
            log,
            async tx => {
              for (const [at, step] of steps.entries()) expect(await apply(table.within(tx), step)).toBe(answers[at])
              expect(await rowsOf(table.within(tx))).toEqual(sorted(rows))
            },
            abort,
          )
          if (abort) rows = before
        }
        expect(await rowsOf(table)).toEqual(sorted(rows))
      }
      expect(replay(await changesOf(table))).toEqual(rows)
      await log.close()
    }),
    { numRuns: 30 },
  )
})

const sorted = (rows: Model) => [...rows.values()].sort((a, b) => Buffer.compare(encodeKey(a.id), encodeKey(b.id)))
