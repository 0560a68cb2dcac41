import type { Log, Transaction } from '../../log.ts'
import { bytes, collected, type LogTests, onlyWhere, outcome, text, upTo, values, valuesOf } from './runner.ts'

/** Runs `other` in the middle of the first attempt of a transaction; gives the number of attempts. */
async function attempts(
  log: Log,
  reads: (tx: Transaction) => Promise<unknown>,
  other: () => Promise<unknown>,
): Promise<number> {
  let count = 0
  await log.transaction(async tx => {
    await reads(tx)
    if (++count === 1) await other()
    tx.putState('result', bytes('attempts'), bytes(`${count}`))
  })
  return count
}

/** Transactions at the same time. */
export function serializabilityTests({ describe, it: itself, expect }: LogTests): void {
  const it = onlyWhere(itself, log => log.capabilities.transactions)

  describe('transactions at the same time', () => {
    it('that read and write one counter lose no update', async log => {
      const key = bytes('n')
      const add = (): Promise<void> =>
        log.transaction(
          async tx => {
            const before = await tx.getState('s', key)
            tx.putState('s', key, bytes(`${before === undefined ? 1 : Number(text(before)) + 1}`))
          },
          { retries: 100 },
        )
      await Promise.all(upTo(12).map(add))
      expect(text(await log.getState('s', key))).toEqual('12')
    })

    it('cannot both go through when each reads what the other writes', async log => {
      let waiting = 0
      let release = (): void => undefined
      const both = new Promise<void>(resolve => (release = resolve))
      const take = (own: string, other: string) =>
        log.transaction(
          async tx => {
            const taken = await tx.getState('on-call', bytes(other))
            if (++waiting === 2) release()
            await both
            if (taken === undefined) tx.putState('on-call', bytes(own), bytes('off'))
          },
          { retries: 10 },
        )
      await Promise.all([take('a', 'b'), take('b', 'a')])
      expect((await collected(log.scanState('on-call'))).length).toEqual(1)
    })

    it('run again when a private key that was read is written, or one that was absent appears', async log => {
      const put = (value: string) => log.transaction(tx => tx.putState('s', bytes('k'), bytes(value)))
      const reads = (tx: Transaction) => tx.getState('s', bytes('k'))
      expect(await attempts(log, reads, () => put('1'))).toEqual(2)
      expect(await attempts(log, reads, () => put('2'))).toEqual(2)
    })

    it('run again when a row that was read is written', async log => {
      await log.createTopic('rows', { keyed: 'latest' })
      const put = (key: string) => log.append('rows', { key, value: 'v' })
      const reads = (tx: Transaction) => tx.get('rows', bytes('k'))
      expect(await attempts(log, reads, () => put('k'))).toEqual(2)
      expect(await attempts(log, reads, () => put('other'))).toEqual(1)
    })

    it('run again when a history that was read grows', async log => {
      await log.createTopic('streams', { keyed: 'history' })
      const put = (key: string) => log.append('streams', { key, value: 'v' })
      for (const reads of [
        (tx: Transaction) => tx.history('streams', bytes('k')),
        (tx: Transaction) => tx.get('streams', bytes('k')),
      ]) {
        expect(await attempts(log, reads, () => put('k'))).toEqual(2)
        expect(await attempts(log, reads, () => put('other'))).toEqual(1)
      }
    })

    it('run again when a key appears in a range of private keys that was read', async log => {
      const put = (key: string) => log.transaction(tx => tx.putState('s', bytes(key), bytes('v')))
      const reads = (tx: Transaction) => collected(tx.scanState('s', bytes('a')))
      expect(await attempts(log, reads, () => put('ab'))).toEqual(2)
      expect(await attempts(log, reads, () => put('b'))).toEqual(1)
    })

    it('run again when a row appears in, or goes from, a range of rows that was read', async log => {
      await log.createTopic('rows', { keyed: 'latest' })
      const reads = (tx: Transaction) => collected(tx.scan('rows', bytes('a')))
      expect(await attempts(log, reads, () => log.append('rows', { key: 'ab', value: 'v' }))).toEqual(2)
      expect(await attempts(log, reads, () => log.append('rows', { key: 'ab', value: null }))).toEqual(2)
      expect(await attempts(log, reads, () => log.append('rows', { key: 'b', value: 'v' }))).toEqual(1)
    })

    it('that only append never conflict', async log => {
      await log.createTopic('plain')
      await log.createTopic('streams', { keyed: 'history' })
      let runs = 0
      const work = async (tx: Transaction): Promise<void> => {
        runs++
        tx.append('plain', { value: 'v' })
        tx.append('streams', { key: 'k', value: 'v' })
        tx.append('streams', { key: 'k', value: 'w' }, { expected: 'any' })
      }
      await Promise.all(upTo(10).map(() => log.transaction(work, { retries: 0 })))
      expect([runs, (await valuesOf(log, 'plain')).length]).toEqual([10, 10])
      expect((await log.history('streams', bytes('k'))).map(({ version }) => version)).toEqual(upTo(20))
      expect(values(await log.history('streams', bytes('k')))).toEqual(upTo(10).flatMap(() => ['v', 'w']))
    })

    it('see one state: a snapshot of their first read', async log => {
      await log.createTopic('rows', { keyed: 'latest' })
      const put = (value: string) =>
        log.transaction(tx => {
          tx.putState('s', bytes('k'), bytes(value))
          tx.append('rows', { key: 'k', value })
        })
      await put('1')
      let first = true
      const seen: string[] = []
      await log.transaction(async tx => {
        const state = text(await tx.getState('s', bytes('k')))
        if (first) await put('2')
        first = false
        seen.push(`${state} ${text((await tx.get('rows', bytes('k')))?.value)}`)
      })
      // An attempt that has seen two states must not have counted.
      expect(seen.at(-1)).toEqual('2 2')
    })

    it('are run again so often as asked for, and then refused, leaving nothing', async log => {
      await log.createTopic('plain')
      let runs = 0
      const hopeless = async (tx: Transaction): Promise<void> => {
        await tx.getState('s', bytes('k'))
        await log.transaction(other => other.putState('s', bytes('k'), bytes(`${++runs}`)))
        tx.append('plain', { value: 'v' })
      }
      expect(await outcome(() => log.transaction(hopeless, { retries: 2 }))).toEqual('TRANSACTION_CONFLICT')
      expect([runs, await valuesOf(log, 'plain')]).toEqual([3, []])
    })

    it('show the records of one commit to readers all at once', async log => {
      await log.createTopic('a')
      await log.createTopic('b', { keyed: 'latest' })
      let running = true
      const writing = (async () => {
        for (const n of upTo(20)) {
          await log.transaction(tx => {
            tx.append('a', { value: `${n}` })
            tx.append('b', { key: 'k', value: `${n}` })
          })
        }
        running = false
      })()
      while (running) {
        const row = await log.get('b', bytes('k'))
        if (row !== undefined) expect((await valuesOf(log, 'a')).includes(text(row.value))).toEqual(true)
      }
      await writing
    })
  })
}
