import { type LogTests, text, upTo, valuesOf } from './runner.ts'

/** Positions by time, and retention by it. */
export function timeTests({ describe, it: itself, expect }: LogTests): void {
  const it = (
    name: string,
    test: (
      log: Parameters<Parameters<LogTests['it']>[1]>[0],
      advance: (milliseconds: number) => void | Promise<void>,
    ) => Promise<void>,
  ): void =>
    itself(name, async (log, { advance }) => {
      if (advance !== undefined) await test(log, advance)
    })

  describe('time', () => {
    it('is that of appending, whatever timestamps the records have', async (log, advance) => {
      await log.createTopic('t', { partitions: 2 })
      const appended: { time: number; offset: number }[] = []
      for (const n of upTo(6)) {
        const { positions } = await log.append('t', { value: `${n}`, partition: n % 2 })
        await log.append('t', { value: `${n} from another century`, partition: n % 2, timestamp: 1_000 - n })
        appended.push({ time: positions[0]!.timestamp, offset: positions[0]!.offset })
        await advance(50)
      }
      for (const [n, { time }] of appended.entries()) {
        const offset = await log.offsetForTime('t', 0, time)
        const { records } = await log.read('t', 0, { from: offset, maxRecords: 1 })
        const expected = n % 2 === 0 ? n : n + 1
        expect(text(records[0]?.value)).toEqual(expected > 5 ? '(none)' : `${expected}`)
      }
      expect(await log.offsetForTime('t', 0, appended[5]!.time + 1e6)).toEqual(await log.endOffset('t'))
      const first = await log.offsetForTime('t', 0, 0)
      expect(first <= appended[0]!.offset).toEqual(true)
    })

    it('is where a group can be reset to', async (log, advance) => {
      await log.createTopic('t')
      const times: number[] = []
      for (const n of upTo(4)) {
        times.push((await log.append('t', { value: `${n}` })).positions[0]!.timestamp)
        await advance(50)
      }
      await log.resetGroup('g', 't', { time: times[2]! })
      const { offset } = (await log.committed('g', 't', 0))!
      const { records } = await log.read('t', 0, { from: offset })
      expect(records.map(({ value }) => text(value))).toEqual(['2', '3'])
    })

    it('takes away what retention no longer keeps, and nothing newer', async (log, advance) => {
      await log.createTopic('t', { retention: 2_000 })
      for (const n of upTo(3)) await log.append('t', { value: `${n}`, timestamp: 7 })
      await advance(3_000)
      const { positions } = await log.append('t', { value: 'new' })
      await log.runMaintenance()
      expect(await valuesOf(log, 't')).toEqual(['new'])
      expect((await log.startOffset('t', 0)) <= positions[0]!.offset).toEqual(true)
      const { records } = await log.read('t', 0, { from: 0 })
      expect(records.map(({ value }) => text(value))).toEqual(['new'])
    })
  })
}
