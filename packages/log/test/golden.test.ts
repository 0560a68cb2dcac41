import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Log, type LogRecord, openLog, verifyLog } from '../src/index.ts'

const golden = join(import.meta.dirname, 'golden')
const formats = (await readdir(golden)).filter(name => name.startsWith('format-'))
const start = 1_700_000_000_000

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | null): string | null => value && Buffer.from(value).toString()

async function shown(log: Log, topic: string, partition: number): Promise<unknown[]> {
  const { records } = await log.read(topic, partition, { from: 0 })
  return records.map(({ offset, timestamp, key, value, headers }) => [
    offset,
    timestamp - start,
    text(key),
    text(value),
    ...headers.map(header => [header.key, text(header.value)]),
  ])
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const versions = (records: readonly LogRecord[]): unknown[] =>
  records.map(({ version, value }) => [version, text(value)])

/** Batch and number in the batch, of the records that are in a partition of the plain topic. */
const plain = (numbers: readonly number[]): unknown[] =>
  [0, 1, 2, 3].flatMap(batch =>
    numbers.map(n => [
      batch * 5 + n,
      batch + 1,
      n === 0 ? null : `key ${n}`,
      n === 1 ? null : `value ${batch}.${n}`,
      ...(n === 2
        ? [
            ['text', 'заголовок'],
            ['text', null],
          ]
        : []),
    ]),
  )
const row = (n: number): string => `row value ${n} ${'x'.repeat(1000)}`
const event = (n: number): string => `event ${n} ${'y'.repeat(2500)}`
const long = [...Array.from({ length: 55 }, (_, n) => [n + 5, event(n + 5)]), [60, 'the newest']]
const short = [
  [0, 'one'],
  [1, 'two'],
]

it('there is a golden database of each format', () => {
  expect(formats).toEqual(['format-1'])
})

describe.each(formats)('the golden database of %s', format => {
  it('is opened by this version, has what was written to it, and takes writes', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'aegis-golden-'))
    try {
      await cp(join(golden, format), dataDir, { recursive: true })
      await using log = await openLog({ dataDir, now: () => start + 10_000 })
      expect((await verifyLog(log)).problems).toEqual([])

      expect(await log.listTopics()).toMatchObject([
        { name: 'history', partitions: 1, keyed: 'history', retention: null, endOffset: 63 },
        { name: 'latest', partitions: 1, keyed: 'latest', cleanup: 'compact', endOffset: 31 },
        { name: 'plain', partitions: 2, keyed: 'none', maxMessageSize: 2_000_000, codec: 'json', endOffset: 24 },
      ])
      expect(await shown(log, 'plain', 0)).toEqual([
        ...plain([0, 2, 4]),
        [20, 5 - start, '', ''],
        [23, 1004, null, 'in a transaction'],
      ])
      expect(await shown(log, 'plain', 1)).toEqual([
        ...plain([1, 3]),
        [21, 1004, null, 'once'],
        [22, 1004, null, 'twice'],
      ])

      expect(await shown(log, 'latest', 0)).toEqual([
        [27, 4, 'row 0', row(27)],
        [28, 4, 'row 1', row(28)],
        [29, 4, 'row 2', null],
        [30, 1004, 'row 3', 'not compacted'],
      ])
      expect(versions(await all(log.scan('latest')))).toEqual([
        [27, row(27)],
        [28, row(28)],
        [30, 'not compacted'],
      ])
      expect(await log.get('latest', bytes('row 2'))).toBeUndefined()

      expect(versions(await log.history('history', bytes('long')))).toEqual(long)
      expect(versions(await log.history('history', bytes('short')))).toEqual(short)
      expect(versions(await all(log.scan('history')))).toEqual([long.at(-1), short.at(-1)])

      expect(await log.committed('group', 'plain', 0)).toEqual({ offset: 7, metadata: 'метка' })
      expect(await log.committed('group', 'plain', 1)).toEqual({ offset: 3, metadata: '' })
      const state = await all(log.scanState('space'))
      expect(state.map(([key, value]) => [text(key), text(value)])).toEqual([
        ['empty', ''],
        ['key', 'value'],
      ])

      const twice = { value: 'twice', partition: 1 }
      const repeated = await log.append('plain', twice, { producer: { id: 'producer', epoch: 2, sequence: 1 } })
      expect(repeated.positions).toMatchObject([{ partition: 1, offset: 22, timestamp: start + 1004 }])
      const fenced = log.append('plain', twice, { producer: { id: 'producer', epoch: 1, sequence: 0 } })
      await expect(fenced).rejects.toMatchObject({ code: 'PRODUCER_FENCED' })
      const next = await log.append('plain', twice, { producer: { id: 'producer', epoch: 2, sequence: 2 } })
      expect(next.positions).toMatchObject([{ offset: 24 }])
      const appended = await log.append('history', { key: 'long', value: 'new' }, { expected: 60 })
      expect(appended.positions).toMatchObject([{ offset: 63, version: 61 }])
      await log.createTopic('gone')
      expect(await shown(log, 'gone', 0)).toEqual([])
      await log.runMaintenance()
      expect((await verifyLog(log)).problems).toEqual([])
    } finally {
      await rm(dataDir, { recursive: true })
    }
  })
})
