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
