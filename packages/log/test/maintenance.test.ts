import { type Operation, openMemory, type Storage } from '@aegis/storage'
import { describe, expect, it, vi } from 'vitest'
import { type Log, openLog } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

async function keysLeft(storage: Storage): Promise<number> {
  let count = 0
  for await (const entries of storage.range()) count += entries.length
  return count
}

async function fill(log: Log, topic: string): Promise<void> {
  await log.createTopic(topic, { partitions: 2, keyed: 'history' })
  for (let i = 0; i < 5; i++) await log.append(topic, { key: bytes(`${i}`), value: bytes('v') })
  await log.commitPosition({ groupId: 'g', topic, partition: 0, offset: 1 })
}

describe('a deleted topic', () => {
  it('leaves nothing behind but that a group had a position in it', async () => {
    const storage = await openMemory()
    const log = await openLog({ storage })
    await fill(log, 'a')
    const before = await keysLeft(storage)
    await fill(log, 'b')
    await log.deleteTopic('b')
    expect(await keysLeft(storage)).toBe(before + 1)
    await log.close()
    await storage.close()
  })

  it('whose deletion was cut short is cleared away after the next open', async () => {
    const storage = await openMemory()
    const log = await openLog({ storage })
    await fill(log, 'a')
    const before = await keysLeft(storage)
    await fill(log, 'b')
    // The process ends after the first commit of the deletion: the one that takes the name away.
    const commit = storage.commit.bind(storage)
    let commits = 0
    storage.commit = (operations: readonly Operation[]) =>
      ++commits === 1 ? commit(operations) : Promise.reject(new Error('the end'))
    await expect(log.deleteTopic('b')).rejects.toThrow('the end')
    await log.close()
    storage.commit = commit
    const again = await openLog({ storage })
    expect(await again.listTopics()).toHaveLength(1)
    expect(await keysLeft(storage)).toBeGreaterThan(before)
    await again.runMaintenance()
    expect(await keysLeft(storage)).toBe(before + 1)
    await again.createTopic('b')
    await expect(again.committed('g', 'b', 0)).rejects.toMatchObject({ code: 'OFFSET_RESET' })
    const late = { groupId: 'g', topic: 'b', partition: 0, offset: 1 }
    await expect(again.commitPosition(late)).rejects.toMatchObject({ code: 'OFFSET_RESET' })
    await again.close()
    await storage.close()
  })
})

describe('retention', () => {
  it('by bytes keeps the newest records of each partition, and the newest of all whatever its size', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2, retention: { bytes: 3_000 } })
    for (let i = 0; i < 10; i++) {
      await log.append(
        't',
        [0, 1].map(partition => ({ value: new Uint8Array(900).fill(i), partition })),
      )
    }
    await log.append('t', { value: new Uint8Array(9_000), partition: 1 })
    await log.runMaintenance()
    const [small, large] = (await log.describeTopic('t')).partitionDetails
    expect(small).toMatchObject({ records: 2, startOffset: 15, endOffset: 19 })
    expect(small!.bytes).toBeLessThanOrEqual(3_000)
    expect(large).toMatchObject({ records: 1, endOffset: 21 })
    const { records, nextOffset } = await log.read('t', 0, { from: 0 })
    expect([records.map(record => record.value![0]), nextOffset]).toEqual([[8, 9], 21])
  })

  it('can be changed while the log runs, and is in force after a restart', async () => {
    let now = 1_000
    const storage = await openMemory()
    const open = (): Promise<Log> => openLog({ storage, now: () => now })
    const log = await open()
    await log.createTopic('t')
    for (let i = 0; i < 4; i++, now += 1_000) await log.append('t', { value: bytes(`${i}`) })
    await log.runMaintenance()
    expect((await log.describeTopic('t')).partitionDetails[0]!.records).toBe(4)
    await log.alterTopic('t', { retention: { time: 2_500, bytes: '1GB' } })
    await log.close()
    const again = await open()
    expect(again.topic('t')).toMatchObject({ retention: 2_500, retentionBytes: 1e9 })
    await again.runMaintenance()
    expect((await again.describeTopic('t')).partitionDetails[0]).toMatchObject({ records: 2, startOffset: 2 })
    await again.alterTopic('t', { retention: null })
    now += 1e6
    await again.runMaintenance()
    expect((await again.describeTopic('t')).partitionDetails[0]!.records).toBe(2)
    await again.close()
    await storage.close()
  })

  it('goes by itself, without anyone asking', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      let now = 1_000
      await using log = await openLog({ memory: true, now: () => now })
      await log.createTopic('t', { retention: 10 })
      await log.append('t', { value: bytes('v') })
      now += 100
      vi.advanceTimersByTime(60_000)
      // Rounds run one after the other: this one comes after those of the timer.
      await log.runMaintenance()
      expect((await log.describeTopic('t')).partitionDetails[0]!.records).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  it('of a topic that is empty afterwards goes on counting offsets, records and time', async () => {
    let now = 1_000
    const storage = await openMemory()
    const log = await openLog({ storage, now: () => now })
    await log.createTopic('t', { retention: 10 })
    await log.append('t', [{ value: bytes('a') }, { value: bytes('b') }])
    now += 100
    await log.runMaintenance()
    await log.close()
    const again = await openLog({ storage, now: () => now })
    const { positions } = await again.append('t', { value: bytes('c') })
    expect(positions[0]!.offset).toBe(2)
    expect((await again.describeTopic('t')).partitionDetails[0]).toMatchObject({ startOffset: 2, records: 1 })
    await again.close()
    await storage.close()
  })

  it('is refused where it would break something, by name', async () => {
    await using log = await openLog({ memory: true })
    await expect(log.createTopic('t', { keyed: 'history', retention: '7d' })).rejects.toThrow(/keyed/)
    await expect(log.createTopic('t', { retention: { bytes: 0 } })).rejects.toThrow(/bytes/)
    await log.createTopic('t')
    await expect(log.alterTopic('t', { codec: 'text' } as object)).rejects.toThrow(/codec/)
    await expect(log.alterTopic('u', {})).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
  })
})

describe('a topic that is damaged', () => {
  it('does not keep the others from giving space back, and the process is told why once', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const warnings: string[] = []
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(warning => void warnings.push(String(warning)))
    try {
      let now = 1_000
      const storage = await openMemory()
      const log = await openLog({ storage, now: () => now })
      await log.createTopic('damaged', { cleanup: 'compact' })
      await log.createTopic('sound', { retention: 10 })
      for (let n = 0; n < 4; n++) await log.append('damaged', { key: 'a', value: `${n}` })
      await log.append('sound', { value: 'v' })
      const range = storage.range.bind(storage)
      storage.range = options =>
        options?.gte?.[0] === 0x20 && options.gte[4] === 1
          ? (async function* () {
              yield* []
              throw new Error('a damaged block')
            })()
          : range(options)
      now += 100
      await expect(log.runMaintenance()).rejects.toThrow('a damaged block')
      expect((await log.describeTopic('sound')).partitionDetails[0]!.records).toBe(0)
      for (let turn = 0; turn < 3; turn++) {
        vi.advanceTimersByTime(5_000)
        await log.runMaintenance().catch(() => undefined)
      }
      expect(warnings).toEqual([expect.stringMatching(/space of the log cannot be given back.*a damaged block/)])
      await log.close()
      await storage.close()
    } finally {
      warn.mockRestore()
      vi.useRealTimers()
    }
  })
})
