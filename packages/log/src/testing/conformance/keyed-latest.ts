import { bytes, collected, failure, type LogTests, outcome, text, upTo, valuesOf } from './runner.ts'

/** Topics whose last record of a key can be read by key. */
export function latestTests({ describe, it, expect }: LogTests): void {
  describe('a record of a keyed topic in another partition than its key’s', () => {
    it('is found by its key, or refused where the log could not find it', async log => {
      await log.createTopic('t', { keyed: 'latest', partitions: 2 })
      const { partition } = (await log.append('t', { key: 'k', value: 'own' })).positions[0]!
      const elsewhere = () => log.append('t', { key: 'k', value: 'elsewhere', partition: 1 - partition })
      if (log.capabilities.keyedPartitions) await elsewhere()
      else expect(await outcome(elsewhere)).toEqual('NOT_SUPPORTED')
      const value = log.capabilities.keyedPartitions ? 'elsewhere' : 'own'
      expect(text((await log.get('t', bytes('k')))?.value)).toEqual(value)
      await log.append('t', { key: 'k', value: 'again', partition })
      expect(text((await log.get('t', bytes('k')))?.value)).toEqual('again')
    })
  })

  describe('a topic keyed latest', () => {
    it('gives the last record of a key, with its offset as version', async log => {
      await log.createTopic('t', { keyed: 'latest', partitions: 3 })
      await log.append('t', { key: 'k', value: 'old' })
      const headers = [{ key: 'h', value: bytes('1') }]
      const { positions } = await log.append('t', { key: 'k', value: 'new', headers, timestamp: 7 })
      const record = (await log.get('t', bytes('k')))!
      const { partition, offset } = positions[0]!
      expect([text(record.value), text(record.key), record.timestamp, record.headers[0]?.key]).toEqual([
        'new',
        'k',
        7,
        'h',
      ])
      expect([record.partition, record.offset, record.version]).toEqual([partition, offset, offset])
      expect(await log.get('t', bytes('other'))).toEqual(undefined)
    })

    it('forgets a key by a tombstone, which whoever follows still sees', async log => {
      await log.createTopic('t', { keyed: 'latest' })
      await log.append('t', [
        { key: 'a', value: '1' },
        { key: 'b', value: '2' },
        { key: 'a', value: null },
      ])
      expect(await log.get('t', bytes('a'))).toEqual(undefined)
      expect((await collected(log.scan('t'))).map(({ key }) => text(key))).toEqual(['b'])
      expect(await valuesOf(log, 't')).toEqual(['1', '2', '(none)'])
      await log.append('t', { key: 'a', value: '3' })
      expect(text((await log.get('t', bytes('a')))?.value)).toEqual('3')
    })

    it('scans its keys in byte order, all or those with a prefix', async log => {
      await log.createTopic('t', { keyed: 'latest', partitions: 3 })
      const keys = ['b', 'a', 'ab', 'a0', 'é', 'c/1', 'c/10', 'c/2']
      for (const key of keys) await log.append('t', { key, value: key })
      const scan = async (prefix?: string): Promise<string[]> =>
        (await collected(log.scan('t', prefix === undefined ? undefined : bytes(prefix)))).map(({ value }) =>
          text(value),
        )
      expect(await scan()).toEqual(['a', 'a0', 'ab', 'b', 'c/1', 'c/10', 'c/2', 'é'])
      expect(await scan('a')).toEqual(['a', 'a0', 'ab'])
      expect(await scan('c/1')).toEqual(['c/1', 'c/10'])
      expect(await scan('z')).toEqual([])
    })

    it('lets go of a scan that is left in the middle', async log => {
      await log.createTopic('t', { keyed: 'latest' })
      await log.append(
        't',
        upTo(20).map(n => ({ key: `${n}`, value: 'v' })),
      )
      for await (const record of log.scan('t')) {
        expect(text(record.key)).toEqual('0')
        break
      }
      await log.close()
    })

    it('checks what a writer expects: the offset of the last record, none, or any', async log => {
      await log.createTopic('t', { keyed: 'latest' })
      const put = (expected: number | 'any' | 'no-stream' | 'stream-exists', value: string | null = 'v') =>
        log.append('t', { key: 'k', value }, { expected })
      expect(await outcome(() => put('stream-exists'))).toEqual('VERSION_CONFLICT')
      const first = (await put('no-stream')).positions[0]!.offset
      expect(await outcome(() => put('no-stream'))).toEqual('VERSION_CONFLICT')
      const second = (await put(first)).positions[0]!.offset
      const error = await failure(() => put(first))
      expect([error?.code, error?.details]).toEqual([
        'VERSION_CONFLICT',
        { topic: 't', expected: first, actual: second },
      ])
      await put('stream-exists')
      await put('any')
      await put('any', null)
      expect((await failure(() => put(second)))?.details).toEqual({ topic: 't', expected: second, actual: 'no-stream' })
      await put('no-stream')
    })

    it('refuses history, and topics that are not keyed refuse reads by key', async log => {
      await log.createTopic('rows', { keyed: 'latest' })
      await log.createTopic('plain')
      const twoKeys = ['a', 'b'].map(key => ({ key, value: 'v' }))
      const wrong = [
        () => log.history('rows', bytes('k')),
        () => log.get('plain', bytes('k')),
        () => log.history('plain', bytes('k')),
        () => collected(log.scan('plain')),
        () => log.append('plain', { key: 'k', value: 'v' }, { expected: 0 }),
        () => log.append('rows', twoKeys, { expected: 'stream-exists' }),
      ]
      expect(await Promise.all(wrong.map(outcome))).toEqual(wrong.map(() => 'LOG_INVALID'))
    })
  })
}
