import type { LogReader } from '../../log.ts'
import { bytes, collected, failure, type LogTests, outcome, recordsOf, text, upTo, values } from './runner.ts'

/** Topics whose records are all kept by key, numbered from 0. */
export function historyTests({ describe, it, expect }: LogTests): void {
  describe('a topic keyed history', () => {
    it('numbers the records of each key from 0, without gap', async log => {
      await log.createTopic('t', { keyed: 'history', partitions: 2 })
      const versions: Record<string, (number | undefined)[]> = { a: [], b: [] }
      for (const n of upTo(12)) {
        const key = n % 3 === 0 ? 'b' : 'a'
        const { positions } = await log.append(
          't',
          upTo(1 + (n % 2)).map(() => ({ key, value: `${n}` })),
        )
        versions[key]!.push(...positions.map(({ version }) => version))
      }
      for (const key of ['a', 'b']) {
        const records = await log.history('t', bytes(key))
        expect(versions[key]).toEqual(upTo(versions[key]!.length))
        expect(records.map(({ version }) => version)).toEqual(versions[key])
        const offsets = records.map(({ offset }) => offset)
        expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
        expect(records.every(record => record.topic === 't' && text(record.key) === key)).toEqual(true)
      }
      expect(await log.history('t', bytes('c'))).toEqual([])
    })

    it('numbers the keys of one append apart', async log => {
      await log.createTopic('t', { keyed: 'history' })
      const { positions } = await log.append(
        't',
        ['a', 'b', 'a', 'a', 'b'].map((key, n) => ({ key, value: `${n}` })),
      )
      expect(positions.map(({ version }) => version)).toEqual([0, 0, 1, 2, 1])
      expect(values(await log.history('t', bytes('b')))).toEqual(['1', '4'])
    })

    it('is read from a version on and as many as asked for', async log => {
      await log.createTopic('t', { keyed: 'history' })
      for (const n of upTo(30)) {
        await log.append(
          't',
          upTo(1 + (n % 4)).map(() => ({ key: 'k', value: 'x'.repeat(200) })),
        )
      }
      const count = (await log.history('t', bytes('k'))).length
      for (const from of [0, 1, 17, count - 1, count, count + 5]) {
        for (const limit of [1, 7, undefined]) {
          const found = (await log.history('t', bytes('k'), limit === undefined ? { from } : { from, limit })).map(
            ({ version }) => version,
          )
          expect(found).toEqual(upTo(count).slice(from).slice(0, limit))
        }
      }
      expect(await log.history('t', bytes('k'), { limit: 0 })).toEqual([])
    })

    it('is read backwards, from the newest or from a version on', async log => {
      await log.createTopic('t', { keyed: 'history' })
      for (const _ of upTo(20)) {
        await log.append(
          't',
          upTo(3).map(() => ({ key: 'k', value: 'x'.repeat(150) })),
        )
      }
      for (const from of [undefined, 0, 1, 30, 59, 60, 100]) {
        for (const limit of [undefined, 0, 1, 7]) {
          const options = {
            reverse: true,
            ...(from === undefined ? {} : { from }),
            ...(limit === undefined ? {} : { limit }),
          }
          const found = (await log.history('t', bytes('k'), options)).map(({ version }) => version)
          expect(found).toEqual(
            upTo(60)
              .slice(0, (from ?? 60) + 1)
              .reverse()
              .slice(0, limit),
          )
        }
      }
      expect(await log.history('t', bytes('other'), { reverse: true })).toEqual([])
    })

    it('is read until there are so many bytes, one record at least, from both ends', async log => {
      await log.createTopic('t', { keyed: 'history' })
      for (const n of upTo(40)) {
        await log.append(
          't',
          upTo(1 + (n % 3)).map(() => ({ key: 'k', value: 'x'.repeat(n % 7 === 0 ? 3_000 : 100) })),
        )
      }
      const all = await log.history('t', bytes('k'))
      for (const reverse of [false, true]) {
        for (const maxBytes of [1, 500, 5_000]) {
          const wanted = reverse ? all.toReversed() : all
          const found: typeof all = []
          while (found.length < all.length) {
            const from = wanted[found.length]!.version
            const page = await log.history('t', bytes('k'), { from, reverse, maxBytes })
            expect(page.length > 0).toEqual(true)
            const before = page.slice(0, -1).reduce((sum, { value }) => sum + value!.length, 0)
            expect(before < maxBytes).toEqual(true)
            found.push(...page)
          }
          expect(found.map(({ version }) => version)).toEqual(wanted.map(({ version }) => version))
        }
      }
    })

    it('is read in a transaction up to so many bytes, without a gap before what it has appended', async log => {
      if (!log.capabilities.transactions) return
      await log.createTopic('t', { keyed: 'history' })
      const value = 'x'.repeat(1_000)
      for (const _ of upTo(6)) await log.append('t', { key: 'k', value })
      await log.transaction(async tx => {
        tx.append('t', [
          { key: 'k', value },
          { key: 'k', value },
        ])
        const read = async (options: { from?: number; reverse?: boolean; maxBytes: number }) =>
          (await tx.history('t', bytes('k'), options)).map(({ version }) => version)
        expect((await read({ maxBytes: 2_500 })).every((version, at) => version === at)).toEqual(true)
        expect(await read({ from: 5, maxBytes: 1_500 })).toEqual([5, 6])
        expect(await read({ reverse: true, maxBytes: 2_500 })).toEqual([7, 6, 5])
      })
    })

    it('refuses what is no version and no number of records', async log => {
      await log.createTopic('t', { keyed: 'history' })
      for (const wrong of [{ from: -1 }, { from: 0.5 }, { limit: -1 }, { limit: Number.NaN }, { maxBytes: 0 }]) {
        expect(await outcome(() => log.history('t', bytes('k'), wrong))).toEqual('LOG_INVALID')
      }
    })

    it('gives the newest record of a key', async log => {
      await log.createTopic('t', { keyed: 'history' })
      expect(await log.get('t', bytes('k'))).toEqual(undefined)
      for (const n of upTo(5)) {
        await log.append('t', { key: 'k', value: `${n}` })
        const record = await log.get('t', bytes('k'))
        expect([text(record?.value), record?.version]).toEqual([`${n}`, n])
      }
    })

    it('keeps values, headers and timestamps, tombstones too', async log => {
      await log.createTopic('t', { keyed: 'history' })
      const headers = [
        { key: 'h', value: bytes('1') },
        { key: 'h', value: null },
      ]
      await log.append('t', [
        { key: 'k', value: bytes('v'), headers, timestamp: 5 },
        { key: 'k', value: null, timestamp: -1 },
        { key: 'k', value: new Uint8Array(), timestamp: 9 },
      ])
      for (const records of [await log.history('t', bytes('k')), await recordsOf(log, 't')]) {
        expect(
          records.map(({ value, headers, timestamp, version }) => [
            value && text(value),
            headers.map(({ key }) => key),
            timestamp,
            version,
          ]),
        ).toEqual([
          ['v', ['h', 'h'], 5, 0],
          [null, [], -1, 1],
          ['', [], 9, 2],
        ])
      }
    })

    it('shows the version also to those who read the topic', async log => {
      await log.createTopic('t', { keyed: 'history' })
      await log.append(
        't',
        ['a', 'b', 'a'].map(key => ({ key, value: 'v', headers: [{ key: 'h', value: null }] })),
      )
      const records = await recordsOf(log, 't')
      expect(records.map(({ version, headers }) => [version, headers.length])).toEqual([
        [0, 1],
        [0, 1],
        [1, 1],
      ])
    })

    it('checks what a writer expects: the version of the last record, none, or any', async log => {
      await log.createTopic('t', { keyed: 'history' })
      const put = (expected: number | 'any' | 'no-stream' | 'stream-exists', count = 1) =>
        log.append(
          't',
          upTo(count).map(() => ({ key: 'k', value: 'v' })),
          { expected },
        )
      expect(await outcome(() => put('stream-exists'))).toEqual('VERSION_CONFLICT')
      expect(await outcome(() => put(0))).toEqual('VERSION_CONFLICT')
      await put('no-stream', 3)
      expect((await failure(() => put('no-stream')))?.details).toEqual({ topic: 't', expected: 'no-stream', actual: 2 })
      expect((await failure(() => put(1)))?.details).toEqual({ topic: 't', expected: 1, actual: 2 })
      await put(2)
      await put('any')
      await put('stream-exists')
      expect((await log.history('t', bytes('k'))).length).toEqual(6)
    })

    it('scans the newest record of each key in byte order, all or those with a prefix', async log => {
      await log.createTopic('t', { keyed: 'history', partitions: 3 })
      const keys = ['b', 'a', 'ab', 'a\0', 'é', 'long']
      for (const n of upTo(3)) {
        for (const key of keys) await log.append('t', { key, value: `${key}${n}` })
      }
      await log.append(
        't',
        upTo(40).map(n => ({ key: 'long', value: `${n} ${'x'.repeat(500)}` })),
      )
      const scan = async (reader: LogReader, prefix?: string): Promise<string[]> =>
        (await collected(reader.scan('t', prefix === undefined ? undefined : bytes(prefix)))).map(
          ({ key, version, value }) => `${text(key)} ${version} ${text(value).slice(0, 2)}`,
        )
      const some = ['a 2 a2', 'a\0 2 a\0', 'ab 2 ab']
      expect(await scan(log)).toEqual([...some, 'b 2 b2', 'long 42 39', 'é 2 é2'])
      expect(await scan(log, 'a')).toEqual(some)
      expect(await scan(log, 'z')).toEqual([])
      if (!log.capabilities.transactions) return
      await log.transaction(async tx => {
        tx.append('t', { key: 'a', value: 'a3' })
        tx.append('t', { key: 'az', value: 'new' })
        expect(await scan(tx, 'a')).toEqual(['a 3 a3', 'a\0 2 a\0', 'ab 2 ab', 'az 0 ne'])
      })
      expect(await scan(log, 'a')).toEqual(['a 3 a3', 'a\0 2 a\0', 'ab 2 ab', 'az 0 ne'])
    })

    it('a key that appears in what a transaction has scanned is a conflict', async log => {
      if (!log.capabilities.transactions) return
      await log.createTopic('t', { keyed: 'history' })
      const work = log.transaction(
        async tx => {
          expect(await collected(tx.scan('t', bytes('a')))).toEqual([])
          await log.append('t', { key: 'b', value: 'no matter' })
          await log.append('t', { key: 'a1', value: 'v' })
          tx.append('t', { key: 'count', value: '0' })
        },
        { retries: 0 },
      )
      expect(await outcome(() => work)).toEqual('TRANSACTION_CONFLICT')
    })

    it('goes on counting over tombstones: a deleted key is no new one', async log => {
      await log.createTopic('t', { keyed: 'history' })
      await log.append('t', { key: 'k', value: 'v' })
      await log.append('t', { key: 'k', value: null })
      expect(await outcome(() => log.append('t', { key: 'k', value: 'v' }, { expected: 'no-stream' }))).toEqual(
        'VERSION_CONFLICT',
      )
      expect((await log.append('t', { key: 'k', value: 'v' }, { expected: 1 })).positions[0]!.version).toEqual(2)
    })

    it('lets one of many win who expect the same version, and tells the others what is there', async log => {
      await log.createTopic('t', { keyed: 'history' })
      await log.append('t', { key: 'k', value: 'first' })
      const rivals = await Promise.all(
        upTo(10).map(n => failure(() => log.append('t', { key: 'k', value: `${n}` }, { expected: 0 }))),
      )
      const lost = rivals.filter(error => error !== undefined)
      expect(lost.map(({ code, details }) => [code, details])).toEqual(
        upTo(9).map(() => ['VERSION_CONFLICT', { topic: 't', expected: 0, actual: 1 }]),
      )
      expect((await log.history('t', bytes('k'))).length).toEqual(2)
    })

    it('refused for a version stores nothing, and takes no version', async log => {
      await log.createTopic('t', { keyed: 'history' })
      await log.append('t', { key: 'k', value: 'a' })
      const results = await Promise.all([
        outcome(() => log.append('t', { key: 'k', value: 'no' }, { expected: 5 })),
        outcome(() => log.append('t', { key: 'k', value: 'b' }, { expected: 0 })),
        outcome(() => log.append('t', { key: 'k', value: 'no' }, { expected: 0 })),
        outcome(() => log.append('t', { key: 'k', value: 'c' }, { expected: 1 })),
      ])
      expect(results).toEqual(['VERSION_CONFLICT', 'done', 'VERSION_CONFLICT', 'done'])
      expect(values(await log.history('t', bytes('k')))).toEqual(['a', 'b', 'c'])
      expect(values(await recordsOf(log, 't'))).toEqual(['a', 'b', 'c'])
    })
  })
}
