import { openMemory } from '@aegis/storage'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openLog } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

describe('lag', () => {
  it('counts records exactly, wherever the position is and however they were batched, also after a restart', async () => {
    const append = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(append, { maxLength: 12 }),
        fc.array(fc.nat(60), { maxLength: 3 }),
        async (appends, at) => {
          const storage = await openMemory()
          const log = await openLog({ storage })
          await log.createTopic('t', { partitions: 3 })
          const offsets: number[][] = [[], [], []]
          for (const partitions of appends) {
            const { positions } = await log.append(
              't',
              partitions.map(partition => ({ value: bytes('v'), partition })),
            )
            for (const { partition, offset } of positions) offsets[partition]!.push(offset)
          }
          for (const [partition, offset] of at.entries()) {
            await log.commitPosition({ groupId: 'g', topic: 't', partition, offset })
          }
          const expected = offsets.map((list, partition) => ({
            partition,
            lag: list.filter(offset => offset >= (at[partition] ?? 0)).length,
          }))
          expect(await log.lag('g', 't')).toEqual(expected)
          await log.close()
          const again = await openLog({ storage })
          expect(await again.lag('g', 't')).toEqual(expected)
          await again.close()
          await storage.close()
        },
      ),
      { numRuns: 40 },
    )
  })

  it('does not count what retention took away', async () => {
    let now = 0
    await using log = await openLog({ memory: true, now: () => now })
    await log.createTopic('t', { retention: 100 })
    for (let i = 0; i < 10; i++, now += 50) await log.append('t', [{ value: bytes('a') }, { value: bytes('b') }])
    await log.runMaintenance()
    expect(await log.lag('g', 't')).toEqual([{ partition: 0, lag: 4 }])
    expect(await log.startOffset('t', 0)).toBe(16)
  })
})
