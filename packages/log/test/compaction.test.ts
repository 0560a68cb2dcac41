import { openMemory } from '@aegis/storage'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { openLog, verifyLog } from '../src/index.ts'

const day = 86_400_000
const key = fc.constantFrom('a', 'b', 'c', 'd')
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      writes: fc.array(fc.tuple(key, fc.option(fc.nat(60_000), { freq: 4 })), { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
)

it('compacting never loses the last record of a key, moves none, and leaves a log that verifies', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      let now = 1_000_000
      const storage = await openMemory()
      const open = () => openLog({ storage, now: () => now })
      let log = await open()
      await log.createTopic('t', { keyed: 'latest', cleanup: 'compact' })
      const all = new Map<number, string>()
      const last = new Map<string, { offset: number; value: string | null }>()
      for (const [n, taken] of steps.entries()) {
        if (taken.do === 'compact') await log.runMaintenance()
        else if (taken.do === 'wait') now += 2 * day
        else if (taken.do === 'reopen') {
          await log.close()
          log = await open()
        } else {
          const records = taken.writes.map(([to, size], at) => ({
            key: to,
            value: size === null ? null : `${n}.${at} ${'x'.repeat(size)}`,
          }))
          const { positions } = await log.append('t', records)
          for (const [at, { offset }] of positions.entries()) {
            const { key: to, value } = records[at]!
            all.set(offset, `${to} ${value}`)
            last.set(to, { offset, value })
          }
        }
        const found = new Map<number, string>()
        for (let from = 0, end = await log.endOffset('t'); from < end; ) {
          const page = await log.read('t', 0, { from, maxRecords: 3 })
          for (const { offset, key: to, value } of page.records) {
            found.set(offset, `${Buffer.from(to!).toString()} ${value && Buffer.from(value).toString()}`)
          }
          from = page.nextOffset
        }
        for (const [offset, shown] of found) expect(shown).toBe(all.get(offset))
        for (const { offset, value } of last.values()) if (value !== null) expect(found.has(offset)).toBe(true)
        expect((await verifyLog(log)).problems).toEqual([])
      }
      await log.close()
      await storage.close()
    }),
    { numRuns: 30 },
  )
})

it('compacting makes few batches of many', async () => {
  await using log = await openLog({ memory: true })
  await log.createTopic('t', { keyed: 'latest', cleanup: 'compact' })
  for (let n = 0; n < 200; n++) await log.append('t', { key: `${n}`, value: 'x'.repeat(1_000) })
  expect((await log.describeTopic('t')).partitionDetails[0]).toMatchObject({ batches: 200, records: 200 })
  await log.runMaintenance()
  const [details] = (await log.describeTopic('t')).partitionDetails
  expect(details).toMatchObject({ records: 200 })
  expect(details!.batches).toBeLessThanOrEqual(2)
})

it('batches that overlap, as a torn commit may leave them, are reported and not merged', async () => {
  const storage = await openMemory()
  const log = await openLog({ storage })
  await log.createTopic('t', { keyed: 'latest', cleanup: 'compact' })
  for (let n = 0; n < 4; n++) await log.append('t', { key: 'a', value: String(n) })
  await log.close()
  const batches: [Uint8Array, Uint8Array][] = []
  for await (const chunk of storage.range({ gte: Uint8Array.of(0x20), lt: Uint8Array.of(0x21) })) {
    for (const [stored, value] of chunk) batches.push([stored, value])
  }
  await storage.commit([{ type: 'put', key: batches[2]![0], value: batches[0]![1] }])
  const again = await openLog({ storage })
  await expect(again.runMaintenance()).rejects.toMatchObject({
    code: 'BATCH_INVALID',
    details: { topic: 't', partition: 0, offset: 0 },
  })
  await again.close()
  await storage.close()
})
