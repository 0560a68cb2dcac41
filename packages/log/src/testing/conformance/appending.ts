import type { Header } from '../../log.ts'
import { partitionForKey } from '../../partitioner.ts'
import { bytes, type LogTests, outcome, recordsOf, text, upTo, valuesOf } from './runner.ts'

const wrongRecords: Record<string, unknown> = {
  'a value that is a number': { value: 7 },
  'a value that is an object': { value: {} },
  'no value': {},
  'a header value that is a number': { value: null, headers: [{ key: 'h', value: 7 }] },
  'headers that are no list': { value: null, headers: { h: null } },
  'a key that is a number': { key: 7, value: null },
  'a timestamp that is no whole number': { value: null, timestamp: 1.5 },
  'a timestamp beyond all numbers': { value: null, timestamp: Number.POSITIVE_INFINITY },
  'a header key that is no text': { value: null, headers: [{ key: 7, value: null }] },
  'a key that is half a character': { key: '\ud800', value: null },
  'a value that is half a character': { value: 'a\udfff' },
  'a header key that is half a character': { value: null, headers: [{ key: '\ud800', value: null }] },
}

interface Kept {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
  readonly timestamp: number
}

/** Putting records into a topic. */
export function appendTests({ describe, it, expect }: LogTests): void {
  describe('an append', () => {
    it('awaited before the next has the smaller offset, over all partitions together', async log => {
      await log.createTopic('t', { partitions: 3 })
      const offsets: number[] = []
      for (const n of upTo(12)) {
        const { positions } = await log.append('t', { value: bytes(`${n}`), partition: (n * 2) % 3 })
        offsets.push(positions[0]!.offset)
      }
      expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b))
    })

    it('gives offsets that rise in the order of the calls within a partition, and are different in all', async log => {
      await log.createTopic('t', { partitions: 3 })
      const receipts = await Promise.all(upTo(60).map(n => log.append('t', { key: `k${n % 5}`, value: bytes(`${n}`) })))
      const offsets = receipts.map(({ positions }) => positions[0]!.offset)
      expect(new Set(offsets).size).toEqual(60)
      for (const partition of upTo(3)) {
        const expected = receipts.flatMap(({ positions: [at] }, n) =>
          at!.partition === partition ? [[at!.offset, `${n}`]] : [],
        )
        const found = (await recordsOf(log, 't', partition)).map(({ offset, value }) => [offset, text(value)])
        expect(found).toEqual(expected)
      }
    })

    it('of many records gives the position of each, in order', async log => {
      await log.createTopic('t', { partitions: 2 })
      const { positions } = await log.append(
        't',
        upTo(10).map(n => ({ value: bytes(`${n}`), partition: n % 2, timestamp: 100 + n })),
      )
      expect(positions.map(({ partition, timestamp }) => [partition, timestamp])).toEqual(
        upTo(10).map(n => [n % 2, 100 + n]),
      )
      for (const [n, { partition, offset }] of positions.entries()) {
        const { records } = await log.read('t', partition, { from: offset, maxRecords: 1 })
        expect(records.map(record => [record.offset, text(record.value)])).toEqual([[offset, `${n}`]])
      }
    })

    it('of no record is done, and adds nothing', async log => {
      await log.createTopic('t')
      expect((await log.append('t', [])).positions).toEqual([])
      expect(await valuesOf(log, 't')).toEqual([])
    })

    it('can be read once it is acknowledged', async log => {
      await log.createTopic('t')
      for (const n of upTo(10)) {
        const { positions } = await log.append('t', { value: bytes(`${n}`) })
        expect((await log.endOffset('t')) > positions[0]!.offset).toEqual(true)
        const { records } = await log.read('t', 0, { from: positions[0]!.offset })
        expect(records.map(({ value }) => text(value))).toEqual([`${n}`])
      }
    })

    it('keeps key, value, headers and timestamp as they were', async log => {
      await log.createTopic('t')
      const headers = [
        { key: 'h', value: bytes('1') },
        { key: '', value: new Uint8Array() },
        { key: 'h', value: null },
        { key: '__proto__', value: bytes('2') },
        { key: 'é\n\0', value: Uint8Array.of(0, 255) },
      ]
      const records: Kept[] = [
        { key: Uint8Array.of(0, 255), value: Uint8Array.of(255, 0), headers, timestamp: 1 },
        { key: new Uint8Array(), value: new Uint8Array(), headers: [], timestamp: 0 },
        { key: null, value: null, headers: [], timestamp: -5 },
        { key: bytes('k'), value: bytes('v'), headers: [], timestamp: 2 ** 46 },
      ]
      await log.append('t', records)
      const found = await recordsOf(log, 't')
      const plain = (part: Uint8Array | null): number[] | null => part && [...part]
      const shown = (record: Kept): unknown[] => [
        plain(record.key),
        plain(record.value),
        record.headers.map(({ key, value }) => [key, plain(value)]),
        record.timestamp,
      ]
      expect(found.map(({ key, value, headers, timestamp }) => shown({ key, value, headers, timestamp }))).toEqual(
        records.map(shown),
      )
      expect(found.map(({ topic, partition }) => [topic, partition])).toEqual(records.map(() => ['t', 0]))
    })

    it('takes texts as UTF-8', async log => {
      await log.createTopic('t')
      await log.append('t', { key: 'schlüssel', value: '😀 '.repeat(300) })
      const [record] = await recordsOf(log, 't')
      expect([text(record!.key), text(record!.value)]).toEqual(['schlüssel', '😀 '.repeat(300)])
    })

    it('has taken its bytes when it is acknowledged: the buffers can be used again', async log => {
      await log.createTopic('t')
      const value = bytes('value')
      await log.append('t', { value })
      value.fill(0)
      expect(await valuesOf(log, 't')).toEqual(['value'])
    })

    it('of the same key goes to the same partition: that of Kafka’s Java client', async log => {
      await log.createTopic('t', { partitions: 7 })
      for (const key of ['21', 'foobar', 'a-little-bit-long-string', 'é']) {
        const { positions } = await log.append('t', [
          { key, value: null },
          { key: bytes(key), value: null },
        ])
        const partition = partitionForKey(bytes(key), 7)
        expect(positions.map(position => position.partition)).toEqual([partition, partition])
      }
    })

    it('without key reaches all partitions in turn, and keeps the records of one call together', async log => {
      await log.createTopic('t', { partitions: 3 })
      const seen = new Set<number>()
      for (let calls = 0; calls < 200 && seen.size < 3; calls++) {
        const { positions } = await log.append('t', [{ value: bytes('a') }, { value: bytes('b') }])
        expect(positions[0]!.partition).toEqual(positions[1]!.partition)
        seen.add(positions[0]!.partition)
      }
      expect(seen.size).toEqual(3)
    })

    it('of a record as large as its topic allows is kept whole', async log => {
      const size = Math.min(3_000_000, log.capabilities.maxMessageSize)
      await log.createTopic('t', { maxMessageSize: size })
      const value = Uint8Array.from({ length: size - 1 }, (_, n) => n * 31)
      await log.append('t', [{ value: bytes('before') }, { key: 'k', value }, { value: bytes('after') }])
      const [before, large, after] = await recordsOf(log, 't')
      expect([text(before!.value), text(after!.value)]).toEqual(['before', 'after'])
      expect(Buffer.compare(large!.value!, value)).toEqual(0)
    })

    it('together with as many others as there are is kept, whatever they are written in', async log => {
      await log.createTopic('t')
      const values = [
        ...upTo(400).map(n => `${n} ${'語'.repeat(1_500)}`),
        ...upTo(400).map(n => `${n} ${'a'.repeat(1_500)}`),
      ]
      await Promise.all(values.map(value => log.appendOne('t', { value })))
      expect(await valuesOf(log, 't')).toEqual(values)
    })

    it('of a record that is larger is refused, and nothing of the call is stored', async log => {
      await log.createTopic('t', { maxMessageSize: 10 })
      const large = { key: '1234', value: bytes('5678'), headers: [{ key: 'header', value: null }] }
      expect(await outcome(() => log.append('t', [{ value: bytes('small') }, large]))).toEqual('RECORD_TOO_LARGE')
      expect(await outcome(() => log.append('t', { value: 'é'.repeat(6) }))).toEqual('RECORD_TOO_LARGE')
      await log.append('t', { key: '12345', value: '67890' })
      expect(await valuesOf(log, 't')).toEqual(['67890'])
    })

    for (const [name, record] of Object.entries(wrongRecords)) {
      it(`of ${name} is refused, and nothing of the call is stored`, async log => {
        await log.createTopic('t')
        expect(await outcome(() => log.append('t', [{ value: bytes('fine') }, record as never]))).toEqual('LOG_INVALID')
        expect(await valuesOf(log, 't')).toEqual([])
      })
    }

    it('to a partition that is not there is refused', async log => {
      await log.createTopic('t', { partitions: 2 })
      for (const partition of [2, -1, 0.5, '0' as never]) {
        expect(await outcome(() => log.append('t', { value: null, partition }))).toEqual('PARTITION_UNKNOWN')
      }
    })

    it('to a keyed topic needs a key', async log => {
      await log.createTopic('rows', { keyed: 'latest' })
      await log.createTopic('streams', { keyed: 'history' })
      for (const topic of ['rows', 'streams']) {
        expect(await outcome(() => log.append(topic, { value: bytes('v') }))).toEqual('LOG_INVALID')
        expect(await valuesOf(log, topic)).toEqual([])
      }
    })
  })
}
