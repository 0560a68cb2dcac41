import type { LogRecord } from '../../log.ts'
import { partitionForKey } from '../../partitioner.ts'
import { bytes, followed, type LogTests, outcome, upTo, values } from './runner.ts'

/** Live reading. */
export function followTests({ describe, it, expect }: LogTests): void {
  describe('a follower', () => {
    it('goes from what is stored to what is appended, without gap or repeat', async log => {
      await log.createTopic('t', { partitions: 2 })
      const append = (value: string, partition: number) => log.append('t', { value, partition })
      for (const partition of [0, 1]) await append(`old${partition}`, partition)
      const starts = await Promise.all([0, 1].map(async partition => log.startOffset('t', partition)))
      const follower = log.follow('t', { positions: new Map(starts.entries()) })
      const running = followed(follower, 22)
      for (const n of upTo(20)) await append(`${n}`, n % 2)
      const records = await running
      follower.close()
      const expected = [0, 1].map(own => [
        `old${own}`,
        ...upTo(20)
          .filter(n => n % 2 === own)
          .map(String),
      ])
      const found = [0, 1].map(own => values(records.filter(({ partition }) => partition === own)))
      expect(found).toEqual(expected)
    })

    it('from the end sees only what comes after', async log => {
      await log.createTopic('t')
      await log.append('t', { value: 'before' })
      const follower = log.follow('t', { positions: new Map([[0, await log.endOffset('t')]]) })
      const running = followed(follower, 1)
      await log.append('t', { value: 'after' })
      expect(values(await running)).toEqual(['after'])
      follower.close()
    })

    it('starts where it is told, in the middle of what was appended together too', async log => {
      await log.createTopic('t')
      const { positions } = await log.append(
        't',
        upTo(10).map(n => ({ value: `${n}` })),
      )
      const follower = log.follow('t', { positions: new Map([[0, positions[7]!.offset]]) })
      expect(values(await followed(follower, 3))).toEqual(['7', '8', '9'])
      follower.close()
    })

    it('gives pages of one partition, no larger than asked for, each with where to go on', async log => {
      await log.createTopic('t', { partitions: 2 })
      await log.append(
        't',
        upTo(20).map(n => ({ value: `${n}`, partition: n % 2 })),
      )
      const next = new Map<number, number>()
      for (const partition of [0, 1]) next.set(partition, await log.startOffset('t', partition))
      const follower = log.follow('t', { positions: next, maxRecords: 3 })
      let seen = 0
      while (seen < 20) {
        const page = await follower.next()
        if (page === undefined) throw new Error('ended')
        seen += page.records.length
        expect(page.records.length <= 3).toEqual(true)
        expect(page.records.every(({ partition }) => partition === page.partition)).toEqual(true)
        expect(page.records.every(({ offset }) => offset >= next.get(page.partition)!)).toEqual(true)
        expect(page.records.at(-1)!.offset < page.nextOffset).toEqual(true)
        next.set(page.partition, page.nextOffset)
      }
      follower.close()
    })

    it('of some partitions sees no others', async log => {
      await log.createTopic('t', { partitions: 3 })
      const follower = log.follow('t', { positions: new Map([[1, 0]]) })
      const running = followed(follower, 2)
      for (const n of upTo(6)) await log.append('t', { value: `${n}`, partition: n % 3 })
      expect(values(await running)).toEqual(['1', '4'])
      follower.close()
    })

    it('takes up partitions that are added, from their beginning, when it is asked to', async log => {
      await log.createTopic('t')
      const follower = log.follow('t', { positions: new Map([[0, 0]]), addedPartitions: true })
      const running = followed(follower, 3)
      await log.append('t', { value: 'a', partition: 0 })
      await log.alterTopic('t', { partitions: 3 })
      await log.append('t', { value: 'b', partition: 2 })
      await log.append('t', { value: 'c', partition: 1 })
      expect(values(await running).sort()).toEqual(['a', 'b', 'c'])
      follower.close()
    })

    it('is served however slow it is, and does not hold up others', async log => {
      await log.createTopic('t')
      const slow = log.follow('t', { positions: new Map([[0, 0]]) })
      const quick = log.follow('t', { positions: new Map([[0, 0]]) })
      const value = 'x'.repeat(10_000)
      const running = followed(quick, 100)
      for (const n of upTo(100)) await log.append('t', { value: `${n} ${value}` })
      expect((await running).length).toEqual(100)
      const numbers = values(await followed(slow, 100)).map(shown => Number(shown.split(' ')[0]))
      expect(numbers).toEqual(upTo(100))
      for (const follower of [slow, quick]) follower.close()
    })

    it('of a key gets what the key has and gets, and hears that there is nothing else', async log => {
      await log.createTopic('t', { keyed: 'history' })
      const append = (key: string, value: string) => log.append('t', { key, value })
      for (const n of upTo(20)) await append(n % 5 === 0 ? 'own' : `other${n}`, `${n}`)
      const end = await log.endOffset('t')
      const follower = log.follow('t', { positions: new Map([[0, 0]]), key: bytes('own'), maxRecords: 3 })
      const found: LogRecord[] = []
      let next = 0
      while (next < end) {
        const page = await follower.next()
        if (page === undefined) throw new Error('ended')
        expect(page.records.length <= 3).toEqual(true)
        found.push(...page.records)
        next = page.nextOffset
      }
      expect(values(found)).toEqual(['0', '5', '10', '15'])
      expect(found.map(({ version }) => version)).toEqual(upTo(4))
      const live = followed(follower, 2)
      for (const key of ['other', 'own', 'other', 'own']) await append(key, `live ${key}`)
      const records = await live
      expect(values(records)).toEqual(['live own', 'live own'])
      expect(records.every(({ offset }) => offset >= next)).toEqual(true)
      follower.close()
    })

    it('of a key begins at any offset, also within what was appended together', async log => {
      await log.createTopic('t', { keyed: 'history' })
      const { positions } = await log.append(
        't',
        upTo(30).map(n => ({ key: 'own', value: `${n}`.padEnd(200, 'x') })),
      )
      await log.append('t', { key: 'other', value: 'v' })
      await log.append('t', { key: 'own', value: 'last' })
      for (const first of [0, 1, 17, 29]) {
        const follower = log.follow('t', {
          positions: new Map([[0, positions[first]!.offset]]),
          key: bytes('own'),
          maxBytes: 1_000,
        })
        const records = await followed(follower, 31 - first)
        expect(records.map(({ version }) => version)).toEqual(upTo(31).slice(first))
        follower.close()
      }
    })

    it('of a key is for topics keyed history, and the partition of the key', async log => {
      await log.createTopic('t')
      await log.createTopic('h', { keyed: 'history', partitions: 2 })
      const key = bytes('k')
      const other = 1 - partitionForKey(key, 2)
      const follow = (topic: string, partition: number) =>
        outcome(async () => log.follow(topic, { positions: new Map([[partition, 0]]), key }).close())
      expect(await follow('t', 0)).toEqual('LOG_INVALID')
      expect(await follow('h', other)).toEqual('LOG_INVALID')
    })

    it('that waits is let go by its own close', async log => {
      await log.createTopic('t')
      const follower = log.follow('t', { positions: new Map([[0, 0]]) })
      const next = follower.next()
      follower.close()
      expect([await next, await follower.next()]).toEqual([undefined, undefined])
    })

    it('that waits is let go by its signal, and one given an aborted signal never starts', async log => {
      await log.createTopic('t')
      await log.append('t', { value: 'v' })
      const abort = new AbortController()
      const end = await log.endOffset('t')
      const next = log.follow('t', { positions: new Map([[0, end]]), signal: abort.signal }).next()
      abort.abort()
      expect(await next).toEqual(undefined)
      const late = log.follow('t', { positions: new Map([[0, 0]]), signal: abort.signal })
      expect(await late.next()).toEqual(undefined)
    })

    it('that waits is let go by the close of the log', async log => {
      await log.createTopic('t')
      const next = log.follow('t', { positions: new Map([[0, 0]]) }).next()
      await log.close()
      expect(await next).toEqual(undefined)
    })

    it('that waits is let go when its topic is deleted', async log => {
      await log.createTopic('t')
      const next = log.follow('t', { positions: new Map([[0, 0]]) }).next()
      await log.deleteTopic('t')
      expect(await next).toEqual(undefined)
    })
  })
}
