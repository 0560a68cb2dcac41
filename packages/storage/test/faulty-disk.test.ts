import { describe, expect, it } from 'vitest'
import type { Storage } from '../src/index.ts'
import { FaultyDisk, seededRandom } from '../src/testing/index.ts'

const put = (key: string, value = '') => ({ type: 'put', key: Buffer.from(key), value: Buffer.from(value) }) as const
async function keys(storage: Storage): Promise<string[]> {
  const found: string[] = []
  for await (const chunk of storage.range()) found.push(...chunk.map(([key]) => Buffer.from(key).toString()))
  return found
}
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: { code: string }) => error.code,
  )

describe('a faulty disk', () => {
  it('fails the write that was asked for, and none before', async () => {
    const disk = new FaultyDisk()
    const storage = await disk.open()
    disk.fail({ at: 3 })
    const codes = []
    for (const key of ['a', 'b', 'c', 'd']) codes.push(await code(storage.commit([put(key)])))
    expect(codes).toEqual(['done', 'done', 'STORAGE_IO', 'STORAGE_FENCED'])
    expect(disk.operations.write).toBe(3)
    await storage.close()
    await using again = await disk.open()
    expect(await code(again.commit([put('e')]))).toBe('done')
    expect(await keys(again)).toEqual(['a', 'b', 'e'])
  })

  it('fails every write from one on, until it is healed', async () => {
    const disk = new FaultyDisk()
    disk.fail({ repeat: true })
    for (let times = 0; times < 3; times++) {
      await using storage = await disk.open()
      expect(await code(storage.commit([put('a')]))).toBe('STORAGE_IO')
    }
    disk.heal()
    await using storage = await disk.open()
    expect(await code(storage.commit([put('a')]))).toBe('done')
  })

  it('fails a read, which does not stop what comes after it', async () => {
    const disk = new FaultyDisk()
    await using storage = await disk.open()
    await storage.commit([put('a'), put('b')])
    for (const read of [
      () => storage.get(Buffer.from('a')),
      () => storage.getMany([Buffer.from('a')]),
      () => keys(storage),
      () => keys(storage.snapshot() as Storage),
      async () => storage.getSync(Buffer.from('a')),
    ]) {
      disk.fail({ operation: 'read' })
      expect([await code(read()), await code(read())]).toEqual(['STORAGE_IO', 'done'])
    }
    expect(storage.status).toBe('open')
  })

  it.each([
    ['refused', ['a']],
    ['stored', ['a', 'b', 'c']],
  ] as const)('leaves a failed write %s', async (outcome, expected) => {
    const disk = new FaultyDisk()
    const storage = await disk.open()
    await storage.commit([put('a')])
    disk.fail({ outcome })
    expect(await code(storage.commit([put('b'), put('c')]))).toBe('STORAGE_IO')
    expect(await keys(storage)).toEqual(['a'])
    await storage.close()
    await using again = await disk.open()
    expect(await keys(again)).toEqual(expected)
  })

  it('tears a commit, for tests that must see it', async () => {
    const disk = new FaultyDisk({ seed: 4 })
    const storage = await disk.open()
    disk.fail({ outcome: 'torn' })
    const all = Array.from({ length: 10 }, (_, n) => `${n}`)
    await code(storage.commit(all.map(key => put(key))))
    await storage.close()
    await using again = await disk.open()
    const found = await keys(again)
    expect(found).toEqual(all.slice(0, found.length))
    expect(found.length).toBeGreaterThan(0)
    expect(found.length).toBeLessThan(10)
  })

  it('loses at a power cut what was not synced, and nothing that was', async () => {
    const disk = new FaultyDisk()
    const storage = await disk.open()
    await storage.commit([put('a')], { durability: 'buffered' })
    await storage.commit([put('b')])
    await storage.commit([put('c')], { durability: 'buffered' })
    await storage.flush()
    await storage.commit([put('d')], { durability: 'buffered' })
    await disk.powerCut()
    expect(storage.status).toBe('closed')
    await using again = await disk.open()
    expect(await keys(again)).toEqual(['a', 'b', 'c'])
    expect(again.databaseId).toBe(storage.databaseId)
  })

  it('keeps at a power cut, if asked, some of what was not synced: always a beginning', async () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 30; seed++) {
      const disk = new FaultyDisk({ seed })
      const storage = await disk.open()
      for (const key of ['a', 'b', 'c']) await storage.commit([put(key)], { durability: 'buffered' })
      await disk.powerCut({ keep: 'some' })
      await using again = await disk.open()
      const found = await keys(again)
      expect(found).toEqual(['a', 'b', 'c'].slice(0, found.length))
      lengths.add(found.length)
    }
    expect([...lengths].sort()).toEqual([0, 1, 2, 3])
  })

  it('keeps at a crash what was written, and perhaps the write in flight', async () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const disk = new FaultyDisk({ seed })
      const storage = await disk.open()
      await storage.commit([put('a')], { durability: 'buffered' })
      disk.delay(5)
      const inFlight = code(storage.commit([put('b'), put('c')]))
      await disk.crash()
      disk.heal()
      await using again = await disk.open()
      outcomes.add(`${await inFlight}: ${await keys(again)}`)
    }
    expect([...outcomes].every(outcome => /^STORAGE_IO: a(,b,c)?$|^done: a,b,c$/.test(outcome))).toBe(true)
    expect(outcomes.size).toBeGreaterThan(1)
  })

  it('does the same for the same seed', async () => {
    const run = async (seed: number) => {
      const disk = new FaultyDisk({ seed })
      disk.delay(3)
      const codes: string[] = []
      for (let round = 0; round < 5; round++) {
        const storage = await disk.open()
        disk.fail({ at: 2, outcome: 'either' })
        for (const key of ['x', 'y', 'z']) codes.push(await code(storage.commit([put(`${round}${key}`)])))
        await disk.powerCut({ keep: 'some' })
      }
      disk.heal()
      await using storage = await disk.open()
      return [codes, await keys(storage)]
    }
    expect(await run(5)).toEqual(await run(5))
    expect(await run(5)).not.toEqual(await run(6))
  })

  it('is open once at a time', async () => {
    const disk = new FaultyDisk()
    await using _ = await disk.open()
    expect(await code(disk.open())).toBe('STORAGE_LOCKED')
  })
})

it('seeded numbers spread over their range', () => {
  const random = seededRandom(1)
  const counts = new Array<number>(10).fill(0)
  for (let n = 0; n < 10_000; n++) counts[random.integer(10)]!++
  expect(counts.every(count => count > 850 && count < 1150)).toBe(true)
})
