import fc from 'fast-check'
import { expect, it } from 'vitest'
import { openLog } from '../src/index.ts'

const part = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.string({ minLength: 100, maxLength: 300 }),
  fc.uint8Array({ maxLength: 40 }),
)
const record = fc.record({
  key: fc.option(part),
  value: fc.option(part, { freq: 10 }),
  headers: fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.array(fc.record({ key: fc.string(), value: fc.uint8Array() }), { maxLength: 2 }) },
  ),
  timestamp: fc.option(fc.integer({ min: -1e14, max: 1e14 }), { nil: undefined, freq: 2 }),
})

const bytes = (given: string | Uint8Array | null): Buffer | null =>
  given === null ? null : typeof given === 'string' ? Buffer.from(given) : Buffer.from(given)

it('a text is stored as the bytes of its UTF-8, whatever stands before and behind it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 40 }), fc.boolean(), async (records, together) => {
      await using log = await openLog({ memory: true, now: () => 1_000 })
      await log.createTopic('t')
      const positions = together
        ? (await log.append('t', records)).positions
        : await Promise.all(records.map(one => log.appendOne('t', one)))
      expect(positions).toEqual(
        records.map(({ timestamp = 1_000 }, offset) => ({ topic: 't', partition: 0, offset, timestamp })),
      )
      const read = await log.read('t', 0, { from: 0 })
      expect(
        read.records.map(({ key, value, headers, timestamp }) => ({
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
          headers: headers.map(header => ({ key: header.key, value: Buffer.from(header.value!) })),
          timestamp,
        })),
      ).toEqual(
        records.map(({ key, value, headers = [], timestamp = 1_000 }) => ({
          key: bytes(key),
          value: bytes(value),
          headers: headers.map(header => ({ key: header.key, value: Buffer.from(header.value) })),
          timestamp,
        })),
      )
    }),
    { numRuns: 300 },
  )
})

it('records of one append without key, partition and time are neighbours, and their positions say so', async () => {
  await using log = await openLog({ memory: true, now: () => 1_000 })
  await log.createTopic('t', { partitions: 3 })
  const values = (count: number): { value: string }[] => Array.from({ length: count }, (_, n) => ({ value: `${n}` }))
  const receipts = await Promise.all([1, 0, 5_000, 2].map(count => log.append('t', values(count))))
  for (const [at, count] of [1, 0, 5_000, 2].entries()) {
    const { positions } = receipts[at]!
    expect(positions.map(({ offset }) => offset - positions[0]!.offset)).toEqual([...Array(count).keys()])
    if (count === 0) continue
    const [{ partition, offset: from }] = [positions[0]!]
    const { records } = await log.read('t', partition, { from, maxRecords: count })
    expect(records.map(({ offset, timestamp }) => ({ topic: 't', partition, offset, timestamp }))).toEqual(positions)
    expect(records.map(({ value }) => Buffer.from(value!).toString())).toEqual(values(count).map(({ value }) => value))
  }
  expect(await log.endOffset('t')).toBe(5_003)
})
