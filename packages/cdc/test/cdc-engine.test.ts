import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CdcEngine, type Row } from '../src/index.ts'
import { encodeKey } from '../src/primary-key.ts'

test('replaying the changes over nothing gives the table', async () => {
  const step = fc.tuple(
    fc.constantFrom('insert', 'update', 'upsert', 'delete', 'truncate'),
    fc.constantFrom(1, 2, '1', 'b'),
    fc.integer(),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async steps => {
      await using cdc = await CdcEngine.open({ memory: true })
      const table = await cdc.table('t', { primaryKey: 'id' })
      for (const [op, id, v] of steps) {
        const run = {
          insert: () => table.insert({ id, v }),
          update: () => table.update(id, { v }),
          upsert: () => table.upsert({ id, v }),
          delete: () => table.delete(id),
          truncate: () => table.truncate(),
        }
        await run[op]!().catch(error => expect(['ROW_EXISTS', 'ROW_UNKNOWN']).toContain(error.code))
      }
      const rows: Row[] = []
      for await (const row of table.scan()) rows.push(row)
      await table.upsert({ id: 'end' })
      const replayed = new Map<unknown, Row>()
      for await (const { op, key, oldRow, newRow } of await cdc.subscribe('t', {
        from: 'earliest',
        includeOldValues: true,
      })) {
        if (key === 'end') break
        if (op === 'truncate') {
          replayed.clear()
          continue
        }
        expect(oldRow).toEqual(replayed.get(key))
        if (op === 'delete') replayed.delete(key)
        else replayed.set(key, newRow!)
      }
      const sorted = [...replayed.values()].sort((a, b) => Buffer.compare(encodeKey(a.id), encodeKey(b.id)))
      expect(rows).toEqual(sorted)
    }),
    { numRuns: 20 },
  )
})

test('number keys are in byte order', () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true })
  fc.assert(fc.property(number, number, (a, b) => Buffer.compare(encodeKey(a), encodeKey(b)) === Math.sign(a - b) + 0))
})

test('__proto__ stays data, settings are checked', async () => {
  await using cdc = await CdcEngine.open({ memory: true })
  const table = await cdc.table('t', { primaryKey: 'id' })
  await table.insert({ id: 1 })
  await table.update(1, JSON.parse('{"__proto__":{"x":1}}'))
  expect(JSON.stringify(await table.get(1))).toBe('{"id":1,"__proto__":{"x":1}}')
  await expect(cdc.table('t', { primaryKey: 'other' })).rejects.toMatchObject({ code: 'TABLE_EXISTS' })
  await expect(table.insert({ id: null })).rejects.toMatchObject({ code: 'ROW_INVALID' })
})
