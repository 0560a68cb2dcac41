import type { Log, LogReader } from '../../log.ts'
import { bytes, collected, failure, type LogTests, onlyWhere, outcome, text, upTo, values } from './runner.ts'

const key = bytes('k')

async function filled(log: Log, count: number): Promise<void> {
  await log.createTopic('t', { keyed: 'history' })
  for (const n of upTo(count)) await log.append('t', { key: 'k', value: `${n} ${'x'.repeat(200)}` })
}

const versions = async (log: Log, options = {}): Promise<number[]> =>
  (await log.history('t', key, options)).map(({ version }) => version)

/** Taking away the oldest records of a key. */
export function truncateTests({ describe, it: itself, expect }: LogTests): void {
  const it = onlyWhere(itself, log => log.capabilities.truncation)

  describe('truncating a history', () => {
    it('takes away the records below a version, and no others', async log => {
      await filled(log, 40)
      await log.append('t', { key: 'other', value: 'stays' })
      for (const before of [0, 1, 7, 20, 19, 39]) {
        await log.truncateHistory('t', key, before)
        const start = before === 19 ? 20 : before
        expect(await versions(log)).toEqual(upTo(40).slice(start))
        expect(await versions(log, { from: 3, limit: 2 })).toEqual(upTo(40).slice(Math.max(3, start)).slice(0, 2))
        expect(await versions(log, { reverse: true, limit: 50 })).toEqual(upTo(40).slice(start).reverse())
      }
      expect(text((await log.get('t', key))?.value).slice(0, 2)).toEqual('39')
      expect(values(await log.history('t', bytes('other')))).toEqual(['stays'])
    })

    it('to its end leaves none, and versions go on counting', async log => {
      await filled(log, 5)
      await log.truncateHistory('t', key, 1_000)
      expect([await versions(log), await log.get('t', key)]).toEqual([[], undefined])
      expect(await outcome(() => log.append('t', { key: 'k', value: 'v' }, { expected: 'no-stream' }))).toEqual(
        'VERSION_CONFLICT',
      )
      expect((await failure(() => log.append('t', { key: 'k', value: 'v' }, { expected: 7 })))?.details).toEqual({
        topic: 't',
        expected: 7,
        actual: 4,
      })
      expect((await log.append('t', { key: 'k', value: 'v' }, { expected: 4 })).positions[0]!.version).toEqual(5)
      expect(await versions(log)).toEqual([5])
    })

    it('to its end takes a key out of a scan, in a transaction too', async log => {
      if (!log.capabilities.transactions) return
      await filled(log, 5)
      await log.append('t', { key: 'other', value: 'stays' })
      const keys = async (reader: LogReader): Promise<string[]> =>
        (await collected(reader.scan('t'))).map(record => text(record.key))
      await log.transaction(async tx => {
        tx.truncateHistory('t', key, 5)
        expect(await keys(tx)).toEqual(['other'])
      })
      expect(await keys(log)).toEqual(['other'])
    })

    it('of a key that is not there changes nothing', async log => {
      await filled(log, 1)
      await log.truncateHistory('t', bytes('other'), 3)
      await log.append('t', { key: 'other', value: 'v' }, { expected: 'no-stream' })
      expect(await versions(log)).toEqual([0])
    })

    it('refuses what is no version, and topics that have no histories', async log => {
      await filled(log, 1)
      await log.createTopic('rows', { keyed: 'latest' })
      for (const before of [-1, 0.5, Number.NaN, '1' as never]) {
        expect(await outcome(() => log.truncateHistory('t', key, before))).toEqual('LOG_INVALID')
      }
      expect(await outcome(() => log.truncateHistory('rows', key, 0))).toEqual('LOG_INVALID')
      expect(await outcome(() => log.truncateHistory('nowhere', key, 0))).toEqual('TOPIC_UNKNOWN')
    })

    it('within a transaction is one with the rest of it, and seen in it', async log => {
      if (!log.capabilities.transactions) return
      await filled(log, 10)
      const truncate = (end: 'commits' | 'throws'): Promise<void> =>
        log.transaction(async tx => {
          tx.append('t', { key: 'k', value: 'own' })
          tx.truncateHistory('t', key, 8)
          expect((await tx.history('t', key)).map(({ version }) => version)).toEqual([8, 9, 10])
          expect((await tx.history('t', key, { reverse: true, limit: 2 })).map(({ version }) => version)).toEqual([
            10, 9,
          ])
          if (end === 'throws') throw new Error('no')
        })
      expect(await outcome(() => truncate('throws'))).toEqual('Error: no')
      expect(await versions(log)).toEqual(upTo(10))
      await truncate('commits')
      expect(await versions(log)).toEqual([8, 9, 10])
    })

    it('conflicts with a transaction that has read the history', async log => {
      if (!log.capabilities.transactions) return
      await filled(log, 4)
      let runs = 0
      await log.transaction(async tx => {
        const before = (await tx.history('t', key)).length
        if (++runs === 1) await log.truncateHistory('t', key, 2)
        tx.putState('s', bytes('length'), bytes(`${before}`))
      })
      expect([runs, text(await log.getState('s', bytes('length')))]).toEqual([2, '2'])
    })

    it('is there after the next open', async (log, { reopen }) => {
      if (reopen === undefined) return
      await filled(log, 6)
      await log.truncateHistory('t', key, 4)
      const again = await reopen()
      expect(await versions(again)).toEqual([4, 5])
      expect((await again.append('t', { key: 'k', value: 'v' }, { expected: 5 })).positions[0]!.version).toEqual(6)
    })

    itself('is refused where the log cannot do it', async log => {
      if (log.capabilities.truncation) return
      await filled(log, 2)
      expect(await outcome(() => log.truncateHistory('t', key, 1))).toEqual('LOG_INVALID')
      expect(await versions(log)).toEqual([0, 1])
    })
  })
}
