import type { Log } from '../../log.ts'
import { type LogTests, recordsOf, upTo, valuesOf } from './runner.ts'

/** A value of 900 bytes; a batch of it alone has less than 1,150. */
const value = (n: number): string => `${n}`.padEnd(900)
const numbers = async (log: Log, partition = 0): Promise<number[]> =>
  (await valuesOf(log, 't', partition)).map(text => Number(text))

/** Retention by bytes. */
export function limitTests({ describe, it, expect }: LogTests): void {
  describe('retention by bytes', () => {
    it('keeps the newest records of each partition, and the newest of all whatever its size', async log => {
      await log.createTopic('t', { partitions: 2, retention: { bytes: 3_500 } })
      for (const n of upTo(10)) {
        await log.append('t', { value: value(n), partition: 0 })
        await log.append('t', { value: value(n), partition: 1 })
      }
      await log.append('t', { value: '10'.padEnd(9_000), partition: 1 })
      await log.runMaintenance()
      expect(await numbers(log, 0)).toEqual([7, 8, 9])
      expect(await numbers(log, 1)).toEqual([10])
      const [first] = await recordsOf(log, 't')
      const start = await log.startOffset('t', 0)
      expect(start > 0 && start <= first!.offset).toEqual(true)
      const { records } = await log.read('t', 0, { from: 0 })
      expect(records.map(({ offset }) => offset)).toEqual((await recordsOf(log, 't')).map(({ offset }) => offset))
    })

    it('goes on with what is appended, and follows what it is altered to', async log => {
      await log.createTopic('t', { retention: { bytes: 3_500 } })
      const append = async (from: number, to: number): Promise<void> => {
        for (let n = from; n < to; n++) await log.append('t', { value: value(n) })
        await log.runMaintenance()
      }
      await append(0, 2)
      expect(await numbers(log)).toEqual([0, 1])
      await append(2, 6)
      await append(6, 8)
      expect(await numbers(log)).toEqual([5, 6, 7])
      await log.alterTopic('t', { retention: { bytes: 2_400 } })
      await log.runMaintenance()
      expect(await numbers(log)).toEqual([6, 7])
      await log.alterTopic('t', { retention: null })
      await append(8, 14)
      expect(await numbers(log)).toEqual([6, 7, 8, 9, 10, 11, 12, 13])
      await log.alterTopic('t', { retention: { time: '1h', bytes: 3_500 } })
      await log.runMaintenance()
      expect(await numbers(log)).toEqual([11, 12, 13])
    })

    it('is in force after the next open', async (log, { reopen }) => {
      if (reopen === undefined) return
      await log.createTopic('t', { retention: { bytes: 3_500 } })
      for (const n of upTo(10)) await log.append('t', { value: value(n) })
      const again = await reopen()
      await again.runMaintenance()
      expect(await numbers(again)).toEqual([7, 8, 9])
    })
  })
}
