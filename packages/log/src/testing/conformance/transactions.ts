import type { Log, Transaction } from '../../log.ts'
import { bytes, collected, failure, type LogTests, onlyWhere, outcome, text, upTo, values, valuesOf } from './runner.ts'

const topics = async (log: Log): Promise<void> => {
  await log.createTopic('plain', { partitions: 2 })
  await log.createTopic('rows', { keyed: 'latest' })
  await log.createTopic('streams', { keyed: 'history' })
}

function writeAll(tx: Transaction): void {
  tx.append('plain', { value: 'p', partition: 1 })
  tx.append('rows', { key: 'k', value: 'r' })
  tx.append('streams', { key: 'k', value: 's' })
  tx.putState('space', bytes('x'), bytes('y'))
  tx.commitPosition({ groupId: 'g', topic: 'plain', partition: 0, offset: 9 })
}

const stored = async (log: Log): Promise<unknown[]> => [
  await valuesOf(log, 'plain', 1),
  text((await log.get('rows', bytes('k')))?.value),
  values(await log.history('streams', bytes('k'))),
  text(await log.getState('space', bytes('x'))),
  (await log.committed('g', 'plain', 0))?.offset,
]

/** Transactions, one at a time. */
export function transactionTests({ describe, it: itself, expect }: LogTests): void {
  const it = onlyWhere(itself, log => log.capabilities.transactions)

  describe('a transaction', () => {
    it('stores all that was done in it', async log => {
      await topics(log)
      expect(await log.transaction(tx => void writeAll(tx))).toEqual(undefined)
      expect(await stored(log)).toEqual([['p'], 'r', ['s'], 'y', 9])
    })

    it('that throws leaves nothing, and its error comes out as it was', async log => {
      await topics(log)
      const thrown = new Error('no')
      const work = async (tx: Transaction): Promise<void> => {
        writeAll(tx)
        throw thrown
      }
      expect((await failure(() => log.transaction(work))) === thrown).toEqual(true)
      expect(await stored(log)).toEqual([[], '(none)', [], '(none)', undefined])
    })

    it('whose append is refused leaves nothing of the rest', async log => {
      await topics(log)
      await log.append('streams', { key: 'other', value: 'v' })
      const work = (tx: Transaction): void => {
        writeAll(tx)
        tx.append('streams', { key: 'other', value: 'w' }, { expected: 7 })
      }
      expect(await outcome(() => log.transaction(work))).toEqual('VERSION_CONFLICT')
      expect(await stored(log)).toEqual([[], '(none)', [], '(none)', undefined])
    })

    it('refuses at once what an append would refuse', async log => {
      await topics(log)
      const refused: Record<string, (tx: Transaction) => unknown> = {
        TOPIC_UNKNOWN: tx => tx.append('nowhere', { value: null }),
        PARTITION_UNKNOWN: tx => tx.append('plain', { value: null, partition: 2 }),
        LOG_INVALID: tx => tx.append('rows', { value: 'v' }),
        RECORD_TOO_LARGE: tx => tx.append('plain', { value: new Uint8Array(1_000_001) }),
      }
      for (const [code, work] of Object.entries(refused)) {
        expect(await outcome(() => log.transaction(tx => void work(tx)))).toEqual(code)
      }
    })

    it('gives receipts, which tell positions after the commit and not before', async log => {
      await topics(log)
      let early: string | undefined
      const receipts = await log.transaction(async tx => {
        const given = [
          tx.append('plain', [
            { value: 'a', partition: 0 },
            { value: 'b', partition: 1 },
          ]),
          tx.append('streams', { key: 'k', value: 's' }),
        ]
        early = await outcome(() => given[0]!.positions)
        return given
      })
      expect(early).toEqual('TRANSACTION_STATE')
      const [plain, streams] = receipts.map(({ positions }) => positions)
      expect(plain!.map(({ partition }) => partition)).toEqual([0, 1])
      expect(plain![0]!.offset < plain![1]!.offset).toEqual(true)
      expect(streams![0]!.version).toEqual(0)
      expect((await log.history('streams', bytes('k')))[0]!.offset).toEqual(streams![0]!.offset)
    })

    it('that ended badly keeps its receipts closed', async log => {
      await topics(log)
      const kept: { receipt?: { readonly positions: unknown } } = {}
      await failure(() =>
        log.transaction(tx => {
          kept.receipt = tx.append('plain', { value: 'a' })
          throw new Error('no')
        }),
      )
      expect(await outcome(() => kept.receipt!.positions)).toEqual('TRANSACTION_STATE')
    })

    it('reads what it has written itself', async log => {
      await topics(log)
      await log.append('rows', [
        { key: 'a', value: '1' },
        { key: 'b', value: '2' },
      ])
      await log.append('streams', { key: 'k', value: '0' })
      await log.transaction(async tx => {
        tx.append('rows', [
          { key: 'b', value: null },
          { key: 'c', value: '3' },
        ])
        expect([await tx.get('rows', bytes('b')), text((await tx.get('rows', bytes('c')))?.value)]).toEqual([
          undefined,
          '3',
        ])
        expect((await collected(tx.scan('rows'))).map(({ key, value }) => text(key) + text(value))).toEqual([
          'a1',
          'c3',
        ])
        tx.append('streams', { key: 'k', value: '1' })
        expect(
          (await tx.history('streams', bytes('k'))).map(({ version, value }) => `${version}=${text(value)}`),
        ).toEqual(['0=0', '1=1'])
        expect((await tx.get('streams', bytes('k')))?.version).toEqual(1)
        expect(values(await tx.history('streams', bytes('k'), { from: 1 }))).toEqual(['1'])
        tx.putState('s', bytes('x'), bytes('1'))
        tx.putState('s', bytes('y'), bytes('2'))
        tx.deleteState('s', bytes('x'))
        expect([await tx.getState('s', bytes('x')), text(await tx.getState('s', bytes('y')))]).toEqual([undefined, '2'])
        expect((await collected(tx.scanState('s'))).map(([key]) => text(key))).toEqual(['y'])
      })
    })

    it('is not seen by others before its commit', async log => {
      await topics(log)
      await log.transaction(async tx => {
        writeAll(tx)
        expect(await stored(log)).toEqual([[], '(none)', [], '(none)', undefined])
      })
    })

    it('may expect a version that an append of its own has made', async log => {
      await topics(log)
      await log.transaction(tx => {
        tx.append('streams', { key: 'k', value: '0' }, { expected: 'no-stream' })
        tx.append('streams', { key: 'k', value: '1' }, { expected: 0 })
      })
      expect(values(await log.history('streams', bytes('k')))).toEqual(['0', '1'])
    })

    it('that appends comes behind what was appended before it', async log => {
      await log.createTopic('t')
      const appended = upTo(20).map(n => log.append('t', { value: `${n}` }))
      await log.transaction(tx => tx.append('t', { value: 'last' }))
      await Promise.all(appended)
      expect(await valuesOf(log, 't')).toEqual([...upTo(20).map(String), 'last'])
    })

    it('keeps private keys of a space apart from other spaces, in byte order, and deletes them', async log => {
      await log.transaction(tx => {
        for (const key of ['b', 'a', 'ab', 'c']) tx.putState('s', bytes(key), bytes(key))
        tx.putState('s2', bytes('a'), bytes('other'))
      })
      await log.transaction(tx => tx.deleteState('s', bytes('c')))
      const keys = async (prefix?: string): Promise<string[]> =>
        (await collected(log.scanState('s', prefix === undefined ? undefined : bytes(prefix)))).map(([key]) =>
          text(key),
        )
      expect([await keys(), await keys('a'), await keys('z')]).toEqual([['a', 'ab', 'b'], ['a', 'ab'], []])
      expect([await log.getState('s', bytes('c')), text(await log.getState('s2', bytes('a')))]).toEqual([
        undefined,
        'other',
      ])
    })

    it('of no write is done', async log => {
      expect(await log.transaction(() => 7)).toEqual(7)
      expect(await log.transaction(tx => tx.getState('s', bytes('k')))).toEqual(undefined)
    })

    it('used after its end throws', async log => {
      await topics(log)
      const kept = await log.transaction(tx => tx)
      const late = [
        () => kept.append('plain', { value: 'v' }),
        () => kept.putState('s', bytes('k'), bytes('v')),
        () => kept.deleteState('s', bytes('k')),
        () => kept.commitPosition({ groupId: 'g', topic: 'plain', partition: 0, offset: 0 }),
        () => kept.get('rows', bytes('k')),
        () => kept.history('streams', bytes('k')),
        () => collected(kept.scan('rows')),
        () => kept.getState('s', bytes('k')),
        () => collected(kept.scanState('s')),
        () => kept.onCommit(() => undefined),
      ]
      expect(await Promise.all(late.map(outcome))).toEqual(late.map(() => 'TRANSACTION_STATE'))
    })

    it('ended with a read that nobody has awaited is refused', async log => {
      await topics(log)
      const work = (tx: Transaction): void => {
        writeAll(tx)
        tx.getState('s', bytes('k')).catch(() => undefined)
      }
      expect(await outcome(() => log.transaction(work))).toEqual('TRANSACTION_STATE')
      expect(await stored(log)).toEqual([[], '(none)', [], '(none)', undefined])
    })

    it('that is too large is refused, with nothing stored', async log => {
      await log.createTopic('plain')
      const value = new Uint8Array(900_000)
      const work = (tx: Transaction): void => {
        for (let n = 0; n < 20; n++) tx.append('plain', { value })
      }
      expect(await outcome(() => log.transaction(work))).toEqual('TRANSACTION_TOO_LARGE')
      expect(await valuesOf(log, 'plain')).toEqual([])
    })

    it('that takes too long is refused, with nothing stored', async (log, { advance }) => {
      if (advance === undefined) return
      await topics(log)
      const work = async (tx: Transaction): Promise<void> => {
        writeAll(tx)
        await advance(60_000)
      }
      expect(await outcome(() => log.transaction(work))).toEqual('TRANSACTION_TOO_OLD')
      expect(await stored(log)).toEqual([[], '(none)', [], '(none)', undefined])
    })

    it('calls back once it is visible, and not for an attempt that was refused', async log => {
      await topics(log)
      const seen: string[] = []
      await failure(() =>
        log.transaction(tx => {
          tx.onCommit(() => seen.push('refused'))
          tx.append('streams', { key: 'k', value: 'v' }, { expected: 3 })
        }),
      )
      await log.transaction(tx => {
        tx.append('plain', { value: 'v' })
        tx.onCommit(() => seen.push('committed'))
      })
      expect(seen).toEqual(['committed'])
    })
  })
}
