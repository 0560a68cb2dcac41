import { type LogTests, outcome, recordsOf, upTo, values, valuesOf } from './runner.ts'

/** Reading a partition from an offset on. */
export function readTests({ describe, it, expect }: LogTests): void {
  describe('reading', () => {
    it('goes on page by page without gap or repeat, whatever the page size', async log => {
      await log.createTopic('t', { partitions: 2 })
      for (const n of upTo(20)) {
        await log.append('t', [
          { value: `${n}a`, partition: 0 },
          { value: `${n}x`, partition: 1 },
          { value: `${n}b`, partition: 0 },
        ])
      }
      const expected = upTo(20).flatMap(n => [`${n}a`, `${n}b`])
      for (const maxRecords of [1, 3, 7, 100]) {
        expect(values(await recordsOf(log, 't', 0, maxRecords))).toEqual(expected)
      }
    })

    it('gives at most as many records as asked for', async log => {
      await log.createTopic('t')
      await log.append(
        't',
        upTo(10).map(n => ({ value: `${n}` })),
      )
      const from = await log.startOffset('t', 0)
      expect(values((await log.read('t', 0, { from, maxRecords: 3 })).records)).toEqual(['0', '1', '2'])
    })

    it('starts at the first record at or after the offset', async log => {
      await log.createTopic('t', { partitions: 2 })
      const offsets: number[] = []
      for (const n of upTo(9)) {
        const { positions } = await log.append('t', { value: `${n}`, partition: n % 3 === 0 ? 0 : 1 })
        offsets.push(positions[0]!.offset)
      }
      // The offset of a record of the other partition, between two of this one.
      const { records } = await log.read('t', 0, { from: offsets[4]! })
      expect(values(records)).toEqual(['6'])
    })

    it('at or past the end gives nothing, and where to go on', async log => {
      await log.createTopic('t')
      await log.append('t', { value: 'v' })
      const end = await log.endOffset('t')
      const { records, nextOffset } = await log.read('t', 0, { from: end })
      expect([records, nextOffset]).toEqual([[], end])
      await log.append('t', { value: 'w' })
      expect(values((await log.read('t', 0, { from: nextOffset })).records)).toEqual(['w'])
      const far = (await log.endOffset('t')) + 1_000
      expect((await log.read('t', 0, { from: far })).records).toEqual([])
    })

    it('an empty partition ends at the end of the topic', async log => {
      await log.createTopic('t', { partitions: 2 })
      await log.append('t', { value: 'v', partition: 0 })
      expect(await valuesOf(log, 't', 1)).toEqual([])
    })

    it('refuses what is no offset, no number of records and no partition', async log => {
      await log.createTopic('t')
      for (const from of [-1, 0.5, Number.NaN, '0' as never, undefined as never]) {
        expect(await outcome(() => log.read('t', 0, { from }))).toEqual('LOG_INVALID')
        expect(await outcome(() => log.follow('t', { positions: new Map([[0, from]]) }))).toEqual('LOG_INVALID')
      }
      for (const maxRecords of [0, -1, 1.5, Number.NaN]) {
        expect(await outcome(() => log.read('t', 0, { from: 0, maxRecords }))).toEqual('LOG_INVALID')
      }
      for (const partition of [1, -1, 0.5]) {
        expect(await outcome(() => log.read('t', partition, { from: 0 }))).toEqual('PARTITION_UNKNOWN')
        expect(await outcome(() => log.startOffset('t', partition))).toEqual('PARTITION_UNKNOWN')
        expect(await outcome(() => log.offsetForTime('t', partition, 0))).toEqual('PARTITION_UNKNOWN')
        expect(await outcome(() => log.follow('t', { positions: new Map([[partition, 0]]) }))).toEqual(
          'PARTITION_UNKNOWN',
        )
      }
    })
  })
}
