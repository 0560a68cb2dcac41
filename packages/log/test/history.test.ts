import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMemory } from '@aegis/storage'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Log, openLog } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

interface Shown {
  readonly version: number
  readonly value: string | null
}

const shown = async (log: Log, key: string, options = {}): Promise<Shown[]> =>
  (await log.history('t', bytes(key), options)).map(({ version, value }) => ({
    version,
    value: value && Buffer.from(value).toString(),
  }))

const key = fc.constantFrom('a', 'b')
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      key,
      sizes: fc.array(fc.nat(900), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      key,
      sizes: fc.array(fc.nat(9_000), { minLength: 1, maxLength: 30 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate' as const), key, part: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fold' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
)

describe('a history', () => {
  it('is what was appended and not truncated, however it is stored', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(200), fc.nat(20), async (steps, from, limit) => {
        const storage = await openMemory()
        let log = await openLog({ storage })
        await log.createTopic('t', { keyed: 'history' })
        const model: Record<string, { start: number; all: Shown[] }> = {
          a: { start: 0, all: [] },
          b: { start: 0, all: [] },
        }
        for (const [n, taken] of steps.entries()) {
          if (taken.do === 'append') {
            const { all } = model[taken.key]!
            const records = taken.sizes.map((size, at) => ({ key: taken.key, value: `${n}.${at} ${'x'.repeat(size)}` }))
            const { positions } = await log.append('t', records, {
              expected: all.length === 0 ? 'no-stream' : all.length - 1,
            })
            for (const [at, { version }] of positions.entries())
              all.push({ version: version!, value: records[at]!.value })
          } else if (taken.do === 'truncate') {
            const known = model[taken.key]!
            const before = Math.floor((known.all.length * taken.part) / 100)
            known.start = Math.max(known.start, before)
            await log.truncateHistory('t', bytes(taken.key), before)
          } else if (taken.do === 'fold') await log.runMaintenance()
          else {
            await log.close()
            log = await openLog({ storage })
          }
        }
        for (const [name, { start, all }] of Object.entries(model)) {
          expect(await shown(log, name)).toEqual(all.slice(start))
          expect(await shown(log, name, { from, limit })).toEqual(all.slice(Math.max(from, start)).slice(0, limit))
          const backwards = all.slice(start, from + 1).reverse()
          expect(await shown(log, name, { from, limit, reverse: true })).toEqual(backwards.slice(0, limit))
        }
        await log.close()
        await storage.close()
      }),
      { numRuns: 40 },
    )
  })

  it('is found whole while its pages are folded, and no transaction that has read it is refused for that', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'aegis-history-'))
    const log = await openLog({ dataDir, durability: 'buffered' })
    await log.createTopic('t', { keyed: 'history' })
    const append = (n: number) => log.append('t', { key: 'k', value: `${n} ${'x'.repeat(700)}` })
    let written = 0
    const writing = (async () => {
      for (; written < 400; written++) await append(written)
    })()
    while (written < 400) {
      const before = written
      const versions = (await log.history('t', bytes('k'))).map(({ version }) => version)
      expect(versions).toEqual(versions.map((_, at) => at))
      expect(versions.length).toBeGreaterThanOrEqual(before)
    }
    await writing
    await log.runMaintenance()
    await log.transaction(
      async tx => {
        expect(await tx.history('t', bytes('k'))).toHaveLength(400)
        // Sixteen pages more, and they are folded before this transaction commits.
        await log.append(
          't',
          Array.from({ length: 40 }, () => ({ key: 'other', value: 'x'.repeat(1_500) })),
        )
        for (let n = 0; n < 40; n++) await log.append('t', { key: 'other', value: 'x'.repeat(1_500) })
        await log.runMaintenance()
        tx.putState('s', bytes('k'), bytes('v'))
      },
      { retries: 0 },
    )
    await log.close()
    await rm(dataDir, { recursive: true })
  })

  it('needs few storage keys however many records it has, and gives them back when it is truncated', async () => {
    const storage = await openMemory()
    const log = await openLog({ storage, durability: 'buffered' })
    const keys = async (): Promise<number> => {
      let count = 0
      // The pages of histories.
      for await (const entries of storage.range({ gte: Uint8Array.of(0x41), lt: Uint8Array.of(0x42) }))
        count += entries.length
      return count
    }
    await log.createTopic('t', { keyed: 'history' })
    for (let n = 0; n < 2_000; n++) await log.append('t', { key: 'k', value: 'x'.repeat(200) })
    await log.runMaintenance()
    // 2,000 records of some 230 bytes: pages of 64 KB and more, and at most 15 small ones.
    expect(await keys()).toBeLessThan(24)
    await log.truncateHistory('t', bytes('k'), 1_999)
    expect(await keys()).toBeLessThanOrEqual(1)
    await log.truncateHistory('t', bytes('k'), 2_000)
    expect(await keys()).toBe(0)
    await log.close()
    await storage.close()
  })
})
