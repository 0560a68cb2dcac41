import { openMemory } from '@aegis/storage'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Log, openLog, verifyLog } from '../src/index.ts'

const key = fc.constantFrom('a', 'b', 'c')
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('append' as const), keys: fc.array(key, { minLength: 1, maxLength: 6 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('truncate' as const),
      keys: fc.array(fc.tuple(key, fc.nat(8)), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('maintain' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
)

const text = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString()

async function feed(log: Log, partitions: number): Promise<Map<number, string>> {
  const found = new Map<number, string>()
  for (let partition = 0; partition < partitions; partition++) {
    for (let from = 0, end = await log.endOffset('t'); from < end; ) {
      const page = await log.read('t', partition, { from, maxRecords: 3 })
      for (const { offset, key: of, version, value } of page.records) {
        found.set(offset, `${text(of)} ${version} ${text(value).trim()}`)
      }
      expect(page.nextOffset).toBeGreaterThan(from)
      from = page.nextOffset
    }
  }
  return found
}

it('what was truncated goes from the feed when it is half of it, and nothing else ever does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.constantFrom(1, 2), async (steps, partitions) => {
      const storage = await openMemory()
      let log = await openLog({ storage })
      await log.createTopic('t', { keyed: 'history', partitions })
      const all = new Map<number, { shown: string; of: string; version: number }>()
      const starts = new Map<string, number>()
      const counts = new Map<string, number>()
      const isDead = (offset: number): boolean => {
        const { of, version } = all.get(offset)!
        return version < (starts.get(of) ?? 0)
      }
      for (const [n, taken] of steps.entries()) {
        if (taken.do === 'append') {
          const records = taken.keys.map((of, at) => ({ key: of, value: `${n}.${at}${' '.repeat(30_000)}` }))
          const { positions } = await log.append('t', records)
          for (const [at, { offset, version }] of positions.entries()) {
            const of = taken.keys[at]!
            all.set(offset, { shown: `${of} ${version} ${n}.${at}`, of, version: version! })
            counts.set(of, version! + 1)
          }
        } else if (taken.do === 'truncate') {
          await log.transaction(tx => {
            for (const [of, before] of taken.keys) tx.truncateHistory('t', Buffer.from(of), before)
          })
          for (const [of, before] of taken.keys) {
            starts.set(of, Math.max(starts.get(of) ?? 0, Math.min(before, counts.get(of) ?? 0)))
          }
        } else if (taken.do === 'reopen') {
          await log.close()
          log = await openLog({ storage })
        }
        const before = await feed(log, partitions)
        if (taken.do === 'maintain') await log.runMaintenance()
        const found = await feed(log, partitions)
        for (const [offset, shown] of found) expect(shown).toBe(all.get(offset)!.shown)
        for (const offset of all.keys()) if (!isDead(offset)) expect(found.has(offset)).toBe(true)
        const dead = [...before.keys()].filter(isDead).length
        if (taken.do === 'maintain' && dead > 0 && 2 * dead >= before.size) {
          expect([...found.keys()].filter(isDead)).toEqual([])
          const { partitionDetails } = await log.describeTopic('t')
          expect(partitionDetails.reduce((sum, { records }) => sum + records, 0)).toBe(found.size)
        } else expect(found.size).toBe(before.size)
        for (const [of, count] of counts) {
          const versions = (await log.history('t', Buffer.from(of))).map(({ version }) => version)
          const start = starts.get(of) ?? 0
          expect(versions).toEqual(Array.from({ length: count - start }, (_, at) => start + at))
        }
        expect((await verifyLog(log)).problems).toEqual([])
      }
      await log.close()
      await storage.close()
    }),
    { numRuns: 40 },
  )
})

it('the space of a feed of which all was truncated is given back, and whoever follows it goes on', async () => {
  await using log = await openLog({ memory: true })
  await log.createTopic('t', { keyed: 'history' })
  const value = 'x'.repeat(10_000)
  for (let n = 0; n < 100; n++) await log.append('t', { key: `${n % 5}`, value })
  const follower = log.follow('t', { positions: new Map([[0, 3]]) })
  for (let n = 0; n < 5; n++) await log.truncateHistory('t', Buffer.from(`${n}`), 1_000)
  await log.runMaintenance()
  const [details] = (await log.describeTopic('t')).partitionDetails
  expect(details).toMatchObject({ records: 0, batches: 1, endOffset: 100 })
  expect(details!.bytes).toBeLessThan(1_000)
  await log.append('t', { key: 'new', value: 'newest' })
  const page = await follower.next()
  expect(page?.records.map(record => [record.offset, text(record.value)])).toEqual([[100, 'newest']])
  follower.close()
  expect((await verifyLog(log)).problems).toEqual([])
})

it('in one step no more than a thousand batches go, so that an append waits for few', async () => {
  const storage = await openMemory()
  const log = await openLog({ storage })
  await log.createTopic('t', { keyed: 'history' })
  for (let n = 0; n < 2_500; n++) await log.append('t', { key: 'k', value: 'v' })
  await log.truncateHistory('t', Buffer.from('k'), 2_500)
  const commit = storage.commit.bind(storage)
  const sizes: number[] = []
  storage.commit = (operations, options) => {
    sizes.push(operations.length)
    return commit(operations, options)
  }
  await log.runMaintenance()
  expect(Math.max(...sizes)).toBeLessThan(1_100)
  expect((await log.describeTopic('t')).partitionDetails[0]).toMatchObject({ records: 0, batches: 3 })
  await log.close()
  await storage.close()
})
