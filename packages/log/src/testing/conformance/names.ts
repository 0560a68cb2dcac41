import { seededRandom } from '@aegis/storage/testing'
import { bytes, collected, type LogTests, outcome, text, valuesOf } from './runner.ts'

const notNames: readonly unknown[] = [
  '',
  '.',
  '..',
  'a/b',
  'a b',
  'a\0',
  'a\n',
  'é',
  '\ud800',
  'a*',
  'a>',
  'x'.repeat(250),
  7,
  null,
  undefined,
]
const names = [
  'a',
  'a.b',
  'a.bc',
  'a-b',
  'a_b',
  'A',
  '$a',
  'a.',
  '__proto__',
  'constructor',
  'toString',
  'x'.repeat(249),
]
/** Ids and keys that something in between might take for more than text. */
const hostile = [
  'g',
  'g.',
  'g.h',
  'g h',
  'g\0',
  'g\0h',
  '*',
  '>',
  'g.*',
  '..',
  '/',
  '__proto__',
  'é',
  'e\u0301',
  '\u2028',
  '=67',
  '😀',
  'x'.repeat(1_000),
]

/** Names and keys never reach into one another. */
export function nameTests({ describe, it, expect }: LogTests): void {
  describe('names', () => {
    it('that are not allowed are refused', async log => {
      for (const name of notNames) expect(await outcome(() => log.createTopic(name as string))).toEqual('LOG_INVALID')
      expect(await log.listTopics()).toEqual([])
    })

    it('of an object’s properties are names like others, and unknown until they are created', async log => {
      for (const name of ['__proto__', 'constructor', 'hasOwnProperty']) {
        expect(await outcome(() => log.append(name, { value: null }))).toEqual('TOPIC_UNKNOWN')
      }
    })

    it('of topics keep records, positions and keys apart', async log => {
      for (const name of names) {
        await log.createTopic(name, { keyed: 'latest' })
        await log.append(name, { key: 'k', value: bytes(name) })
        await log.commitPosition({ groupId: 'g', topic: name, partition: 0, offset: name.length, metadata: name })
      }
      for (const name of names) {
        expect(await valuesOf(log, name)).toEqual([name])
        expect(text((await log.get(name, bytes('k')))?.value)).toEqual(name)
        expect(await log.committed('g', name, 0)).toEqual({ offset: name.length, metadata: name })
      }
      await log.deleteTopic('a')
      for (const name of names.slice(1)) expect(await valuesOf(log, name)).toEqual([name])
    })

    it('of groups keep positions apart', async log => {
      await log.createTopic('t')
      for (const [offset, groupId] of hostile.entries()) {
        await log.commitPosition({ groupId, topic: 't', partition: 0, offset, metadata: groupId })
      }
      for (const [offset, groupId] of hostile.entries()) {
        expect(await log.committed(groupId, 't', 0)).toEqual({ offset, metadata: groupId })
      }
      expect((await log.listGroups()).map(({ groupId }) => groupId).sort()).toEqual([...hostile].sort())
    })

    it('of groups that are not allowed are refused', async log => {
      await log.createTopic('t')
      for (const groupId of ['', 'x'.repeat(1_001), '\ud800', 7 as never, undefined as never]) {
        const position = { groupId, topic: 't', partition: 0, offset: 0 }
        expect(await outcome(() => log.commitPosition(position))).toEqual('LOG_INVALID')
        expect(await outcome(() => log.join({ ...position, onAssignment: async () => undefined }))).toEqual(
          'LOG_INVALID',
        )
      }
      expect(await log.listGroups()).toEqual([])
    })

    it('of key spaces keep their keys apart', async log => {
      if (!log.capabilities.transactions) return
      await log.transaction(tx => {
        for (const space of hostile) for (const key of hostile) tx.putState(space, bytes(key), bytes(space + key))
      })
      for (const space of hostile) {
        const entries = await collected(log.scanState(space))
        expect(entries.map(([key, value]) => [text(key), text(value)]).sort()).toEqual(
          hostile.map(key => [key, space + key]).sort(),
        )
      }
    })

    it('of keys never see one another’s records, whatever their bytes, and are read in byte order', async log => {
      await log.createTopic('rows', { keyed: 'latest', partitions: 2 })
      await log.createTopic('streams', { keyed: 'history', partitions: 2 })
      const random = seededRandom(11)
      const keys = new Map<string, Uint8Array>()
      while (keys.size < 60) {
        const key = Uint8Array.from({ length: 1 + random.integer(4) }, () => [0, 1, 46, 254, 255][random.integer(5)]!)
        keys.set(Buffer.from(key).toString('hex'), key)
      }
      for (const [hex, key] of keys) {
        await Promise.all([
          log.append('rows', { key, value: bytes(hex) }),
          log.append(
            'streams',
            [
              { key, value: bytes(hex) },
              { key, value: bytes('second') },
            ],
            { expected: 'no-stream' },
          ),
        ])
      }
      const rows = await collected(log.scan('rows'))
      expect(rows.map(({ key, value }) => [Buffer.from(key!).toString('hex'), text(value)])).toEqual(
        [...keys.keys()].sort().map(hex => [hex, hex]),
      )
      for (const [hex, key] of keys) {
        expect((await log.history('streams', key)).map(({ value }) => text(value))).toEqual([hex, 'second'])
        const under = await collected(log.scan('rows', key))
        expect(under.map(({ value }) => text(value))).toEqual(
          [...keys.keys()].sort().filter(other => other.startsWith(hex)),
        )
      }
    })
  })
}
