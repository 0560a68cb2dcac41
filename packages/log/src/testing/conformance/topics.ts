import type { Log } from '../../log.ts'
import { bytes, failure, type LogTests, outcome, upTo, valuesOf } from './runner.ts'

const unknownTopic: Record<string, (log: Log) => unknown> = {
  topic: log => log.topic('t'),
  describeTopic: log => log.describeTopic('t'),
  alterTopic: log => log.alterTopic('t', {}),
  deleteTopic: log => log.deleteTopic('t'),
  append: log => log.append('t', { value: null }),
  appendOne: log => log.appendOne('t', { value: null }),
  read: log => log.read('t', 0, { from: 0 }),
  startOffset: log => log.startOffset('t', 0),
  endOffset: log => log.endOffset('t'),
  offsetForTime: log => log.offsetForTime('t', 0, 0),
  follow: log => log.follow('t', { positions: new Map() }),
  join: log => log.join({ groupId: 'g', topic: 't', onAssignment: async () => undefined }),
  committed: log => log.committed('g', 't', 0),
  commitPosition: log => log.commitPosition({ groupId: 'g', topic: 't', partition: 0, offset: 0 }),
  lag: log => log.lag('g', 't'),
  describeGroup: log => log.describeGroup('g', 't'),
  resetGroup: log => log.resetGroup('g', 't', 'latest'),
  get: log => log.get('t', bytes('k')),
  history: log => log.history('t', bytes('k')),
}

const wrongSettings: Record<string, object> = {
  'no partition': { partitions: 0 },
  'half a partition': { partitions: 1.5 },
  'a number of partitions as text': { partitions: '3' },
  'no replica': { replicationFactor: 0 },
  'a retention that is no time': { retention: '7 weeks' },
  'a retention of no bytes': { retention: { bytes: 0 } },
  'a retention by something else': { retention: { records: 5 } },
  'a retention of a history': { keyed: 'history', retention: '7d' },
  'a kind of keys that is not known': { keyed: 'first' },
  'a codec that is not known': { codec: 'xml' },
  'a size below one byte': { maxMessageSize: 0 },
  'an option that is not known': { partition: 1 },
  'an option named __proto__': JSON.parse('{ "__proto__": 1 }') as object,
}

/** Topics and their settings. */
export function topicTests({ describe, it, expect }: LogTests): void {
  describe('a topic', () => {
    it('can be created twice with the same settings, also at once', async log => {
      const options = { partitions: 2, keyed: 'latest', maxMessageSize: '10KB' } as const
      const [first, second] = await Promise.all([log.createTopic('t', options), log.createTopic('t', options)])
      const third = await log.createTopic('t', options)
      expect([second.incarnation, third.incarnation]).toEqual([first.incarnation, first.incarnation])
      expect([third.partitions, third.keyed, third.maxMessageSize]).toEqual([2, 'latest', 10_000])
    })

    it('that exists with other settings is refused, naming what differs', async log => {
      await log.createTopic('t', { partitions: 2, codec: 'text' })
      const error = await failure(() => log.createTopic('t', { partitions: 3, codec: 'bytes' }))
      expect([error?.code, error?.details]).toEqual([
        'TOPIC_EXISTS',
        { topic: 't', different: ['partitions', 'codec'] },
      ])
      expect(log.topic('t').partitions).toEqual(2)
    })

    for (const [name, options] of Object.entries(wrongSettings)) {
      it(`with ${name} is refused and not there`, async log => {
        expect(await outcome(() => log.createTopic('t', options))).toEqual('LOG_INVALID')
        expect(await outcome(() => log.topic('t'))).toEqual('TOPIC_UNKNOWN')
        expect(await log.listTopics()).toEqual([])
      })
    }

    it('has the settings that it was given, and the usual ones else', async log => {
      const { keyed, partitions, retention, retentionBytes, maxMessageSize, codec, requestedReplicationFactor } =
        await log.createTopic('t', {
          retention: { time: '1d', bytes: '2MB' },
          replicationFactor: 3,
        })
      expect({
        keyed,
        partitions,
        retention,
        retentionBytes,
        maxMessageSize,
        codec,
        requestedReplicationFactor,
      }).toEqual({
        keyed: 'none',
        partitions: 1,
        retention: 86_400_000,
        retentionBytes: 2_000_000,
        maxMessageSize: 1_000_000,
        codec: 'json',
        requestedReplicationFactor: 3,
      })
    })

    it('reports the copies that it has, not those that were asked for', async log => {
      const { replicationFactor } = await log.createTopic('t', { replicationFactor: 5 })
      expect(replicationFactor >= 1 && replicationFactor <= log.capabilities.maxReplicationFactor).toEqual(true)
    })

    it('larger than the log can carry is refused', async log => {
      const { maxMessageSize } = log.capabilities
      expect(await outcome(() => log.createTopic('t', { maxMessageSize: maxMessageSize + 1 }))).toEqual('LOG_INVALID')
      expect((await log.createTopic('t', { maxMessageSize })).maxMessageSize).toEqual(maxMessageSize)
    })

    it('is listed while it is there', async log => {
      for (const name of ['b', 'a', 'c']) await log.createTopic(name)
      await log.deleteTopic('c')
      expect((await log.listTopics()).map(({ name }) => name).sort()).toEqual(['a', 'b'])
    })

    it('is described with what each partition holds', async log => {
      await log.createTopic('t', { partitions: 2 })
      const empty = (await log.describeTopic('t')).partitionDetails[1]!
      expect([empty.partition, empty.records, empty.newestTimestamp]).toEqual([1, 0, null])
      const { positions } = await log.append(
        't',
        [5, 9, 7].map(timestamp => ({ value: bytes('v'), partition: 1, timestamp })),
      )
      const [first, second] = (await log.describeTopic('t')).partitionDetails
      expect([first!.records, second!.records, second!.newestTimestamp]).toEqual([0, 3, 7])
      expect(second!.startOffset <= positions[0]!.offset && second!.endOffset > positions[2]!.offset).toEqual(true)
      expect(second!.bytes > 3).toEqual(true)
    })

    it('can be altered: what is left out stays', async log => {
      await log.createTopic('t', { partitions: 2, retention: '7d', codec: 'bytes' })
      const altered = await log.alterTopic('t', { partitions: 4, maxMessageSize: 10 })
      expect([altered.partitions, altered.retention, altered.maxMessageSize, altered.codec]).toEqual([
        4,
        7 * 86_400_000,
        10,
        'bytes',
      ])
      expect((await log.alterTopic('t', { retention: null })).retention).toEqual(null)
      expect(await outcome(() => log.append('t', { value: bytes('12345678901') }))).toEqual('RECORD_TOO_LARGE')
      await log.append('t', { value: bytes('v'), partition: 3 })
      expect(await valuesOf(log, 't', 3)).toEqual(['v'])
    })

    it('never has fewer partitions, nor more when it is keyed', async log => {
      await log.createTopic('t', { partitions: 2 })
      await log.createTopic('rows', { keyed: 'latest' })
      const wrong = [
        () => log.alterTopic('t', { partitions: 1 }),
        () => log.alterTopic('rows', { partitions: 2 }),
        () => log.alterTopic('rows', { retention: '1d' }),
        () => log.alterTopic('t', { codec: 'text' } as object),
      ]
      expect(await Promise.all(wrong.map(outcome))).toEqual(wrong.map(() => 'LOG_INVALID'))
      expect([log.topic('t').partitions, log.topic('rows').partitions]).toEqual([2, 1])
    })

    it('deleted and created again is another one, with none of the old records and keys', async log => {
      const first = await log.createTopic('t', { keyed: 'latest' })
      await log.append('t', { key: 'k', value: bytes('v') })
      await log.deleteTopic('t')
      expect(await outcome(() => log.append('t', { key: 'k', value: bytes('v') }))).toEqual('TOPIC_UNKNOWN')
      const second = await log.createTopic('t', { keyed: 'latest' })
      expect(second.incarnation === first.incarnation).toEqual(false)
      expect([await valuesOf(log, 't'), await log.get('t', bytes('k'))]).toEqual([[], undefined])
      await log.append('t', { key: 'k', value: bytes('w') })
      expect(await valuesOf(log, 't')).toEqual(['w'])
    })

    it('deleted and created again starts the versions of a history at 0', async log => {
      await log.createTopic('t', { keyed: 'history' })
      await log.append('t', { key: 'k', value: bytes('v') })
      await log.deleteTopic('t')
      await log.createTopic('t', { keyed: 'history' })
      const { positions } = await log.append('t', { key: 'k', value: bytes('w') }, { expected: 'no-stream' })
      expect(positions[0]!.version).toEqual(0)
    })

    it('deleted while others append to it ends with every append done or refused by name', async log => {
      await log.createTopic('t')
      const appends = upTo(20).map(n => outcome(() => log.append('t', { value: bytes(`${n}`) })))
      await log.deleteTopic('t')
      const ends = await Promise.all(appends)
      expect(ends.filter(end => end !== 'done' && end !== 'TOPIC_UNKNOWN')).toEqual([])
    })

    for (const [operation, run] of Object.entries(unknownTopic)) {
      it(`that does not exist is refused by ${operation}`, async log => {
        expect(await outcome(() => run(log))).toEqual('TOPIC_UNKNOWN')
      })
    }
  })
}
