import type { Log } from '../../log.ts'
import { bytes, collected, type LogTests, outcome, upTo } from './runner.ts'

const operations: Record<string, (log: Log) => unknown> = {
  createTopic: log => log.createTopic('new'),
  alterTopic: log => log.alterTopic('t', { maxMessageSize: 100 }),
  deleteTopic: log => log.deleteTopic('other'),
  topic: log => log.topic('t'),
  describeTopic: log => log.describeTopic('t'),
  listTopics: log => log.listTopics(),
  append: log => log.append('t', { key: 'k', value: 'v' }),
  read: log => log.read('t', 0, { from: 0 }),
  startOffset: log => log.startOffset('t', 0),
  endOffset: log => log.endOffset('t'),
  offsetForTime: log => log.offsetForTime('t', 0, 0),
  follow: log => log.follow('t', { positions: new Map([[0, 0]]) }),
  transaction: log => log.transaction(tx => void tx.append('t', { key: 'k', value: 'v' })),
  'a transaction that only reads': log => log.transaction(tx => tx.getState('s', bytes('k'))),
  join: log => log.join({ groupId: 'g', topic: 't', onAssignment: async () => undefined }),
  committed: log => log.committed('g', 't', 0),
  commitPosition: log => log.commitPosition({ groupId: 'h', topic: 't', partition: 0, offset: 0 }),
  lag: log => log.lag('g', 't'),
  listGroups: log => log.listGroups(),
  describeGroup: log => log.describeGroup('g', 't'),
  resetGroup: log => log.resetGroup('idle', 't', 'latest'),
  get: log => log.get('t', bytes('k')),
  history: log => log.history('streams', bytes('k')),
  truncateHistory: log => log.truncateHistory('streams', bytes('k'), 0),
  scan: log => collected(log.scan('t')),
  getState: log => log.getState('s', bytes('k')),
  scanState: log => collected(log.scanState('s')),
  compactState: log => log.compactState('s'),
  appendOne: log => log.appendOne('other', { value: 'v' }),
  runMaintenance: log => log.runMaintenance(),
}

const states: Record<string, { reach(log: Log): unknown; readonly result: string }> = {
  open: { reach: () => undefined, result: 'done' },
  closing: { reach: log => void log.close(), result: 'LOG_CLOSED' },
  closed: { reach: log => log.close(), result: 'LOG_CLOSED' },
}

async function prepare(log: Log): Promise<void> {
  await log.createTopic('t', { keyed: 'latest' })
  await log.createTopic('streams', { keyed: 'history' })
  await log.createTopic('other')
}

/** Every operation in every state. */
export function lifecycleTests({ describe, it, expect }: LogTests): void {
  for (const [name, { reach, result }] of Object.entries(states)) {
    describe(`a log that is ${name}`, () => {
      for (const [operation, run] of Object.entries(operations)) {
        it(result === 'done' ? `allows ${operation}` : `refuses ${operation}`, async log => {
          if (operation.includes('transaction') && !log.capabilities.transactions) return
          if (operation === 'truncateHistory' && !log.capabilities.truncation) return
          await prepare(log)
          await reach(log)
          expect(await outcome(() => run(log))).toEqual(result)
        })
      }
    })
  }

  describe('close', () => {
    it('lets through what was called before it, and refuses what comes after', async log => {
      await prepare(log)
      const before = upTo(20).map(n => outcome(() => log.append(n % 2 === 0 ? 'other' : 't', { key: 'k', value: 'v' })))
      // One turn later: the calls are made when their promises run.
      await Promise.resolve()
      const closing = log.close()
      expect(await outcome(() => log.append('other', { value: 'late' }))).toEqual('LOG_CLOSED')
      await closing
      expect(new Set(await Promise.all(before))).toEqual(new Set(['done']))
    })

    it('lets reads that were called before it end, with what they found or LOG_CLOSED', async log => {
      await prepare(log)
      await log.append('t', { key: 'k', value: 'v' })
      const reads = ['read', 'get', 'history', 'scan', 'describeGroup', 'listGroups', 'describeTopic', 'offsetForTime']
      const ends = reads.flatMap(name => upTo(5).map(() => outcome(() => operations[name]!(log))))
      await Promise.resolve()
      const closing = log.close()
      expect((await Promise.all(ends)).filter(end => end !== 'done' && end !== 'LOG_CLOSED')).toEqual([])
      await closing
    })

    it('in the middle of a transaction refuses it', async log => {
      if (!log.capabilities.transactions) return
      await prepare(log)
      const running = outcome(() =>
        log.transaction(async tx => {
          await tx.getState('s', bytes('k'))
          await log.close()
          await tx.getState('s', bytes('k'))
        }),
      )
      expect(await running).toEqual('LOG_CLOSED')
    })

    it('can be called twice, also at once', async log => {
      await Promise.all([log.close(), log.close()])
      await log.close()
      await log[Symbol.asyncDispose]()
    })

    it('does not wait for members that have not left', async log => {
      await prepare(log)
      await log.join({ groupId: 'g', topic: 't', onAssignment: async () => undefined })
      await log.close()
    })
  })
}
