import { expect, it } from 'vitest'
import { openLog } from '../src/index.ts'

it('reading and following stop at so many bytes, give at least one record, and lose none', async () => {
  let now = 5_000
  await using log = await openLog({ memory: true, now: () => now })
  await log.createTopic('t')
  for (let at = 0; at < 10; at++) await log.append('t', { value: Buffer.alloc(10_000, at) })
  const page = await log.read('t', 0, { from: 0, maxBytes: 25_000 })
  expect(page.records.map(({ offset }) => offset)).toEqual([0, 1, 2])
  expect(page.bytes).toBeGreaterThan(25_000)
  expect((await log.read('t', 0, { from: page.nextOffset, maxBytes: 1 })).records).toHaveLength(1)
  const follower = log.follow('t', { positions: new Map([[0, 0]]), maxBytes: 25_000 })
  const offsets: number[] = []
  while (offsets.length < 10) {
    const { records, bytes } = (await follower.next())!
    expect(bytes).toBeLessThan(40_000)
    for (const { offset } of records) offsets.push(offset)
  }
  expect(offsets).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  follower.close()
  await expect(log.read('t', 0, { from: 0, maxBytes: 0 })).rejects.toMatchObject({ code: 'LOG_INVALID' })
  now = 6_000
  expect(log.now()).toBe(6_000)
})
