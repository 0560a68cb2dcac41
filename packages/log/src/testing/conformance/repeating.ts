import type { Log, ProducerBatch } from '../../log.ts'
import { bytes, failure, type LogTests, onlyWhere, outcome, upTo, values, valuesOf } from './runner.ts'

const append = (log: Log, sequence: number, count: number, producer: Partial<ProducerBatch> = {}) =>
  log.append(
    't',
    upTo(count).map(n => ({ value: `${producer.id ?? 'p'}${sequence + n}` })),
    { producer: { id: 'p', sequence, ...producer } },
  )

/** Appends that may be repeated. */
export function repeatTests({ describe, it: itself, expect }: LogTests): void {
  const it = onlyWhere(itself, log => log.capabilities.repeats !== 'none')
  /** Where what a producer has appended is known by what is stored. */
  const itKnows = onlyWhere(itself, log => log.capabilities.repeats === 'log')

  describe('an append that is repeated', () => {
    it('adds nothing and is acknowledged with the same offsets, also at once and after others', async log => {
      await log.createTopic('t')
      const receipts = await Promise.all([append(log, 0, 3), append(log, 0, 3)])
      await append(log, 3, 2)
      await log.append('t', { value: 'another' })
      receipts.push(await append(log, 0, 3))
      const [first, ...again] = receipts.map(({ positions }) => positions.map(({ offset }) => offset))
      expect(again).toEqual([first, first])
      expect(await valuesOf(log, 't')).toEqual(['p0', 'p1', 'p2', 'p3', 'p4', 'another'])
    })

    for (const keyed of ['none', 'latest', 'history'] as const) {
      it(`is in its place among the calls, on a topic that is keyed ${keyed}`, async log => {
        await log.createTopic('t', { keyed })
        await Promise.all(
          upTo(60).map(n => {
            const record = { key: 'k', value: `${n}` }
            if (n % 5 > 1) return log.append('t', record)
            return log.append('t', record, { producer: { id: `p${n % 5}`, sequence: Math.floor(n / 5) } })
          }),
        )
        expect(await valuesOf(log, 't')).toEqual(upTo(60).map(String))
      })
    }

    it('is another one for another producer, or another topic', async log => {
      await log.createTopic('t')
      await log.createTopic('u')
      for (const id of ['p', 'p2', 'p\0', '__proto__']) await append(log, 0, 1, { id })
      await log.append('u', { value: 'v' }, { producer: { id: 'p', sequence: 0 } })
      expect(await valuesOf(log, 't')).toEqual(['p0', 'p20', 'p\u00000', '__proto__0'])
      expect(await valuesOf(log, 'u')).toEqual(['v'])
    })

    itKnows('is recognised however the records are spread and keyed', async log => {
      await log.createTopic('t', { partitions: 3, keyed: 'history' })
      const again = () =>
        log.append(
          't',
          upTo(9).map(n => ({ key: `k${n % 4}`, value: `${n}`, timestamp: 100 + n })),
          { producer: { id: 'p', sequence: 0 } },
        )
      const first = await again()
      expect((await again()).positions).toEqual(first.positions)
      expect(values(await log.history('t', bytes('k0')))).toEqual(['0', '4', '8'])
    })

    itKnows('is recognised before a version is checked that it has moved on itself', async log => {
      await log.createTopic('t', { keyed: 'history' })
      const options = { expected: 'no-stream', producer: { id: 'p', sequence: 0 } } as const
      const first = await log.append('t', { key: 'k', value: 'v' }, options)
      expect((await log.append('t', { key: 'k', value: 'v' }, options)).positions).toEqual(first.positions)
    })

    itKnows('is refused when it leaves a gap, and nothing of it is stored', async log => {
      await log.createTopic('t')
      expect(await outcome(() => append(log, 1, 1))).toEqual('PRODUCER_SEQUENCE')
      await append(log, 0, 2)
      const error = await failure(() => append(log, 3, 1))
      expect([error?.code, error?.details?.['expectedSequence']]).toEqual(['PRODUCER_SEQUENCE', 2])
      await append(log, 2, 1)
      expect(await valuesOf(log, 't')).toEqual(['p0', 'p1', 'p2'])
    })

    itKnows('is known among the last five, and of older ones that they are there', async log => {
      await log.createTopic('t')
      for (const n of upTo(6)) await append(log, n, 1)
      expect(await outcome(() => append(log, 0, 1))).toEqual('PRODUCER_DUPLICATE')
      for (const n of upTo(6).slice(1)) expect(await outcome(() => append(log, n, 1))).toEqual('done')
      expect(await outcome(() => append(log, 5, 2))).toEqual('PRODUCER_DUPLICATE')
      expect((await valuesOf(log, 't')).length).toEqual(6)
    })

    itKnows('of an epoch that has passed is refused; a higher one begins anew', async log => {
      await log.createTopic('t')
      await append(log, 0, 2)
      expect(await outcome(() => append(log, 2, 1, { epoch: 1 }))).toEqual('PRODUCER_SEQUENCE')
      await append(log, 0, 1, { epoch: 1 })
      expect(await outcome(() => append(log, 2, 1))).toEqual('PRODUCER_FENCED')
      expect(await outcome(() => append(log, 0, 2))).toEqual('PRODUCER_FENCED')
      await append(log, 1, 1, { epoch: 1 })
      expect(await valuesOf(log, 't')).toEqual(['p0', 'p1', 'p0', 'p1'])
    })

    itKnows('in a transaction is one with the rest of it', async log => {
      if (!log.capabilities.transactions) return
      await log.createTopic('t')
      const run = (end: 'commits' | 'throws') =>
        log.transaction(tx => {
          const receipt = tx.append('t', { value: 'v' }, { producer: { id: 'p', sequence: 0 } })
          if (end === 'throws') throw new Error('no')
          return receipt
        })
      expect(await outcome(() => run('throws'))).toEqual('Error: no')
      const first = (await run('commits')).positions
      expect((await run('commits')).positions).toEqual(first)
      expect(await valuesOf(log, 't')).toEqual(['v'])
    })

    itKnows('is recognised after the next open', async (log, { reopen }) => {
      if (reopen === undefined) return
      await log.createTopic('t')
      const first = await append(log, 0, 2)
      const again = await reopen()
      expect((await append(again, 0, 2)).positions).toEqual(first.positions)
      expect(await outcome(() => append(again, 3, 1))).toEqual('PRODUCER_SEQUENCE')
      await append(again, 2, 1)
      expect(await valuesOf(again, 't')).toEqual(['p0', 'p1', 'p2'])
    })

    itKnows('is forgotten with its topic', async log => {
      await log.createTopic('t')
      await append(log, 0, 1)
      await log.deleteTopic('t')
      await log.createTopic('t')
      await append(log, 0, 1)
      expect(await valuesOf(log, 't')).toEqual(['p0'])
    })

    itKnows('is recognised however late, as long as something that it could add again is there', async (log, place) => {
      if (place.advance === undefined) return
      await log.createTopic('t', { partitions: 2 })
      const once = () =>
        log.append(
          't',
          [1, 0].map(partition => ({ value: 'once', partition })),
          { producer: { id: 'p', sequence: 0 } },
        )
      const first = await once()
      await place.advance(100 * 86_400_000)
      await log.runMaintenance()
      expect((await once()).positions).toEqual(first.positions)
      await log.append('t', { value: 'newer', partition: 0 })
      await log.alterTopic('t', { retention: '30d' })
      await log.runMaintenance()
      // Nothing of it is left now.
      expect([await valuesOf(log, 't', 0), await valuesOf(log, 't', 1)]).toEqual([['newer'], []])
      await place.advance(2 * 3_600_000)
      await log.runMaintenance()
      const second = (await once()).positions
      expect(second[0]!.offset > first.positions[1]!.offset).toEqual(true)
    })

    itKnows('is known for seven days although retention has taken what was appended', async (log, { advance }) => {
      if (advance === undefined) return
      await log.createTopic('t', { retention: '1h' })
      await append(log, 0, 1)
      await advance(6 * 86_400_000)
      await log.runMaintenance()
      expect(await valuesOf(log, 't')).toEqual([])
      await append(log, 1, 1)
      await advance(8 * 86_400_000)
      await log.runMaintenance()
      expect(await outcome(() => append(log, 2, 1))).toEqual('PRODUCER_SEQUENCE')
      await append(log, 0, 1)
    })

    it('refuses what is no producer', async log => {
      await log.createTopic('t')
      const wrong: object[] = [
        { id: '' },
        { id: 7 },
        { id: 'x'.repeat(1_001) },
        { sequence: -1 },
        { sequence: 0.5 },
        { epoch: -1 },
      ]
      for (const part of wrong) expect(await outcome(() => append(log, 0, 1, part))).toEqual('LOG_INVALID')
      expect(await valuesOf(log, 't')).toEqual([])
    })

    itself('is refused where the log cannot recognise it', async log => {
      if (log.capabilities.repeats !== 'none') return
      await log.createTopic('t')
      expect(await outcome(() => append(log, 0, 1))).toEqual('LOG_INVALID')
      expect(await valuesOf(log, 't')).toEqual([])
    })
  })
}
