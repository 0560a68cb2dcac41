import type { Log } from '../../log.ts'
import { bytes, collected, type LogTests, outcome, text, upTo, values, valuesOf } from './runner.ts'

/** What stays between two opens. */
export function reopeningTests({ describe, it: itself, expect }: LogTests): void {
  const it = (name: string, test: (log: Log, reopen: () => Promise<Log>) => Promise<void>): void =>
    itself(name, async (log, { reopen }) => {
      if (reopen !== undefined) await test(log, reopen)
    })

  describe('opened again', () => {
    it('has its topics with their settings, incarnations and records, and goes on with higher offsets', async (log, reopen) => {
      const first = await log.createTopic('t', { partitions: 2, retention: '7d', codec: 'bytes' })
      const { positions } = await log.append(
        't',
        upTo(10).map(n => ({ value: `${n}`, partition: n % 2 })),
      )
      const end = await log.endOffset('t')
      const again = await reopen()
      const { incarnation, partitions, retention, codec } = again.topic('t')
      expect([incarnation, partitions, retention, codec]).toEqual([first.incarnation, 2, 7 * 86_400_000, 'bytes'])
      expect(await again.endOffset('t')).toEqual(end)
      expect([await valuesOf(again, 't', 0), await valuesOf(again, 't', 1)]).toEqual([
        ['0', '2', '4', '6', '8'],
        ['1', '3', '5', '7', '9'],
      ])
      const next = await again.append('t', { value: 'next' })
      expect(next.positions[0]!.offset > positions.at(-1)!.offset).toEqual(true)
    })

    it('has its rows, histories and versions', async (log, reopen) => {
      await log.createTopic('rows', { keyed: 'latest' })
      await log.createTopic('streams', { keyed: 'history' })
      await log.append('rows', [
        { key: 'a', value: '1' },
        { key: 'b', value: null },
      ])
      for (const n of upTo(5)) await log.append('streams', { key: 'k', value: `${n}` })
      const again = await reopen()
      expect((await collected(again.scan('rows'))).map(({ key, value }) => text(key) + text(value))).toEqual(['a1'])
      expect(values(await again.history('streams', bytes('k')))).toEqual(['0', '1', '2', '3', '4'])
      expect(await outcome(() => again.append('streams', { key: 'k', value: 'v' }, { expected: 3 }))).toEqual(
        'VERSION_CONFLICT',
      )
      expect((await again.append('streams', { key: 'k', value: 'v' }, { expected: 4 })).positions[0]!.version).toEqual(
        5,
      )
    })

    it('has its positions and private keys', async (log, reopen) => {
      await log.createTopic('t', { partitions: 2 })
      await log.commitPosition({ groupId: 'g', topic: 't', partition: 1, offset: 9, metadata: 'm' })
      if (log.capabilities.transactions) await log.transaction(tx => tx.putState('s', bytes('k'), bytes('v')))
      const again = await reopen()
      expect([await again.committed('g', 't', 0), await again.committed('g', 't', 1)]).toEqual([
        undefined,
        { offset: 9, metadata: 'm' },
      ])
      if (again.capabilities.transactions) expect(text(await again.getState('s', bytes('k')))).toEqual('v')
    })

    it('knows what was altered and deleted', async (log, reopen) => {
      await log.createTopic('t')
      await log.createTopic('gone')
      await log.alterTopic('t', { partitions: 3, retention: '2d' })
      await log.deleteTopic('gone')
      const again = await reopen()
      expect(
        (await again.listTopics()).map(({ name, partitions, retention }) => [name, partitions, retention]),
      ).toEqual([['t', 3, 2 * 86_400_000]])
    })
  })
}
