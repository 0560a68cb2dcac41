import type { Log } from '../../log.ts'
import {
  bytes,
  collected,
  followed,
  type LogTests,
  onlyWhere,
  outcome,
  recordsOf,
  text,
  upTo,
  values,
} from './runner.ts'

const keysAndValues = async (log: Log): Promise<string[]> =>
  (await recordsOf(log, 't')).map(({ key, value }) => `${text(key)}=${text(value)}`)

/** Topics of which only the last record of each key stays. */
export function compactTests({ describe, it: itself, expect }: LogTests): void {
  const it = onlyWhere(itself, log => log.capabilities.compaction)

  describe('a compacted topic', () => {
    it('keeps the last record of each key, where it was', async log => {
      await log.createTopic('t', { keyed: 'latest', cleanup: 'compact', partitions: 2 })
      const last = new Map<string, number>()
      for (const n of upTo(60)) {
        const key = `k${(n * n) % 7}`
        last.set(key, (await log.append('t', { key, value: `${n}` })).positions[0]!.offset)
      }
      const end = await log.endOffset('t')
      await log.runMaintenance()
      const records = [...(await recordsOf(log, 't', 0)), ...(await recordsOf(log, 't', 1))]
      const found = records.map(({ key, offset }) => [text(key), offset] as const)
      expect(found.sort(([, a], [, b]) => a - b)).toEqual([...last].sort(([, a], [, b]) => a - b))
      expect(await log.endOffset('t')).toEqual(end)
      for (const [key, offset] of last) expect((await log.get('t', bytes(key)))?.version).toEqual(offset)
      const details = (await log.describeTopic('t')).partitionDetails
      expect(details.reduce((sum, { records }) => sum + records, 0)).toEqual(last.size)
      expect(Math.max(...details.map(({ endOffset }) => endOffset))).toEqual(end)
    })

    it('is never at its end before it is: whoever reads or follows comes to what is behind a gap', async log => {
      await log.createTopic('t', { keyed: 'latest', cleanup: 'compact' })
      const { positions } = await log.append('t', { key: 'first', value: 'stays' })
      for (const n of upTo(50)) await log.append('t', { key: 'k', value: `${n} ${'x'.repeat(5_000)}` })
      await log.runMaintenance()
      await log.append('t', { key: 'last', value: 'behind' })
      for (const from of [0, positions[0]!.offset, positions[0]!.offset + 1]) {
        const follower = log.follow('t', { positions: new Map([[0, from]]), maxRecords: 1 })
        const wanted = from > positions[0]!.offset ? ['49', 'behind'] : ['stays', '49', 'behind']
        const found = values(await followed(follower, wanted.length)).map(value => value.split(' ')[0])
        expect(found).toEqual(wanted)
        follower.close()
      }
      expect((await recordsOf(log, 't', 0, 1)).length).toEqual(3)
    })

    it('can be written while it is compacted', async log => {
      await log.createTopic('t', { keyed: 'latest', cleanup: 'compact' })
      for (const n of upTo(30)) await log.append('t', { key: `k${n % 3}`, value: `${n}` })
      const running = Promise.all([log.runMaintenance(), log.runMaintenance()])
      for (const n of upTo(30)) await log.append('t', { key: `k${n % 3}`, value: `${30 + n}` })
      await running
      await log.runMaintenance()
      await log.runMaintenance()
      expect((await keysAndValues(log)).slice(-3)).toEqual(['k0=57', 'k1=58', 'k2=59'])
      expect((await collected(log.scan('t'))).map(({ value }) => text(value))).toEqual(['57', '58', '59'])
    })

    it('keeps a tombstone for a day, and then is as if its key had never been', async (log, { advance }) => {
      if (advance === undefined) return
      await log.createTopic('t', { keyed: 'latest', cleanup: 'compact' })
      await log.append('t', { key: 'gone', value: 'v' })
      await log.append('t', { key: 'gone', value: null })
      await log.append('t', { key: 'stays', value: 'v' })
      await log.runMaintenance()
      expect(await keysAndValues(log)).toEqual(['gone=(none)', 'stays=v'])
      await advance(2 * 86_400_000)
      for (const n of upTo(20)) await log.append('t', { key: 'new', value: `${n} ${'x'.repeat(100)}` })
      await log.runMaintenance()
      expect((await keysAndValues(log)).map(shown => shown.split(' ')[0])).toEqual(['stays=v', 'new=19'])
      expect(await log.get('t', bytes('gone'))).toEqual(undefined)
      await log.append('t', { key: 'gone', value: 'again' }, { expected: 'no-stream' })
    })

    it('is one after the next open too', async (log, { reopen }) => {
      if (reopen === undefined) return
      await log.createTopic('t', { keyed: 'latest', cleanup: 'compact' })
      for (const n of upTo(20)) await log.append('t', { key: `k${n % 2}`, value: `${n}` })
      await log.runMaintenance()
      const again = await reopen()
      expect(again.topic('t').cleanup).toEqual('compact')
      expect(await keysAndValues(again)).toEqual(['k0=18', 'k1=19'])
      for (const n of upTo(20)) await again.append('t', { key: `k${n % 2}`, value: `${20 + n}` })
      await again.runMaintenance()
      expect(await keysAndValues(again)).toEqual(['k0=38', 'k1=39'])
    })

    it('can be made of one that keeps everything, and the other way round', async log => {
      await log.createTopic('t', { keyed: 'latest' })
      for (const n of upTo(6)) await log.append('t', { key: 'k', value: `${n}` })
      await log.runMaintenance()
      expect((await keysAndValues(log)).length).toEqual(6)
      expect((await log.alterTopic('t', { cleanup: 'compact' })).cleanup).toEqual('compact')
      await log.runMaintenance()
      expect(await keysAndValues(log)).toEqual(['k=5'])
      await log.alterTopic('t', { cleanup: 'delete' })
      for (const n of upTo(6)) await log.append('t', { key: 'k', value: `${n}` })
      await log.runMaintenance()
      expect((await keysAndValues(log)).length).toEqual(7)
    })

    it('is keyed latest, also when nobody says so', async log => {
      await log.createTopic('t', { cleanup: 'compact' })
      expect(log.topic('t').keyed).toEqual('latest')
      await log.createTopic('t', { cleanup: 'compact', keyed: 'latest' })
      for (const n of upTo(3)) await log.append('t', { key: 'k', value: `${n}` })
      await log.runMaintenance()
      expect(await keysAndValues(log)).toEqual(['k=2'])
      // As in Kafka, for what would become of it?
      expect(await outcome(() => log.append('t', { value: 'without a key' }))).toEqual('LOG_INVALID')
    })

    it('is not one that is keyed otherwise', async log => {
      for (const keyed of ['none', 'history'] as const) {
        expect(await outcome(() => log.createTopic('t', { keyed, cleanup: 'compact' }))).toEqual('LOG_INVALID')
      }
      expect(await outcome(() => log.createTopic('t', { keyed: 'latest', cleanup: 'all' as never }))).toEqual(
        'LOG_INVALID',
      )
      await log.createTopic('t')
      expect(await outcome(() => log.alterTopic('t', { cleanup: 'compact' }))).toEqual('LOG_INVALID')
    })

    itself('is refused where the log cannot do it', async log => {
      if (log.capabilities.compaction) return
      expect(await outcome(() => log.createTopic('t', { keyed: 'latest', cleanup: 'compact' }))).toEqual('LOG_INVALID')
    })
  })
}
