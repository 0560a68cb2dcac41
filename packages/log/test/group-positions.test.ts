import { openMemory } from '@aegis/storage'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openLog } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const stay = async (): Promise<void> => undefined

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

describe('groups', () => {
  it('are listed with members and positions, and forgotten with neither', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    await log.commitPosition({ groupId: 'stored', topic: 't', partition: 1, offset: 0, metadata: 'm' })
    await log.commitPosition({ groupId: 'stored', topic: 't', partition: 0, offset: 0 })
    const member = await log.join({ groupId: 'active', topic: 't', onAssignment: stay })
    expect(await log.listGroups()).toEqual([
      { groupId: 'stored', topic: 't', members: 0 },
      { groupId: 'active', topic: 't', members: 1 },
    ])
    expect(await log.describeGroup('active', 't')).toMatchObject({
      memberDetails: [{ memberId: member.memberId, partitions: [0, 1] }],
    })
    expect((await log.describeGroup('stored', 't')).positions[1]).toEqual({
      partition: 1,
      lag: 0,
      position: { offset: 0, metadata: 'm' },
    })
    await member.leave()
    expect((await log.listGroups()).map(group => group.groupId)).toEqual(['stored'])
  })

  it('are reset to the earliest, the latest, an offset or a time, only while nobody is active', async () => {
    let now = 1_000
    await using log = await openLog({ memory: true, now: () => now })
    await log.createTopic('t', { partitions: 2 })
    for (let i = 0; i < 6; i++, now += 10) await log.append('t', { value: bytes(`${i}`), partition: i % 2 })
    const lags = async (): Promise<number[]> => (await log.lag('g', 't')).map(({ lag }) => lag)
    await log.resetGroup('g', 't', 'latest')
    expect(await lags()).toEqual([0, 0])
    await log.resetGroup('g', 't', 'earliest')
    expect(await lags()).toEqual([3, 3])
    await log.resetGroup('g', 't', { offset: 3 })
    expect(await lags()).toEqual([1, 2])
    await log.resetGroup('g', 't', { time: 1_041 })
    expect(await lags()).toEqual([0, 1])
    const member = await log.join({ groupId: 'g', topic: 't', onAssignment: stay })
    await expect(log.resetGroup('g', 't', 'earliest')).rejects.toMatchObject({ code: 'GROUP_ACTIVE' })
    await member.leave()
    await log.resetGroup('g', 't', 'earliest')
    expect(await lags()).toEqual([3, 3])
  })

  it('refuse positions that cannot be', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const position = { groupId: 'g', topic: 't', partition: 0, offset: 0 }
    for (const wrong of [{ groupId: '' }, { offset: -1 }, { offset: Number.NaN }, { metadata: 'x'.repeat(40_000) }]) {
      await expect(log.commitPosition({ ...position, ...wrong })).rejects.toMatchObject({ code: 'LOG_INVALID' })
      await expect(log.transaction(tx => tx.commitPosition({ ...position, ...wrong }))).rejects.toThrow()
    }
    await expect(log.commitPosition({ ...position, partition: 1 })).rejects.toMatchObject({ code: 'PARTITION_UNKNOWN' })
    expect(await log.listGroups()).toEqual([])
  })
})

describe('partitions that are added to a topic', () => {
  it('are shared out among the members, and start empty', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 1 })
    await log.append('t', { value: bytes('v') })
    const [first, second] = [
      await log.join({ groupId: 'g', topic: 't', onAssignment: stay }),
      await log.join({ groupId: 'g', topic: 't', onAssignment: stay }),
    ]
    const before = first.generation
    expect((await log.alterTopic('t', { partitions: 4 })).partitions).toBe(4)
    expect([...first.partitions, ...second.partitions].sort()).toEqual([0, 1, 2, 3])
    expect(first.generation).toBeGreaterThan(before)
    await log.append('t', { value: bytes('v'), partition: 3 })
    expect((await log.describeTopic('t')).partitionDetails.map(({ records }) => records)).toEqual([1, 0, 0, 1])
    await expect(log.alterTopic('t', { partitions: 2 })).rejects.toThrow(/not taken away/)
  })
})
