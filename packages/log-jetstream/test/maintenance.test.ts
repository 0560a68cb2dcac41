import type { Log } from '@aegis/log'
import { expect, it, onTestFinished, vi } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

const day = 86_400_000

describeWithServer('maintenance', () => {
  const server = givenServer()

  async function opened(): Promise<Log> {
    const log = await connectLog({ url: server.url, domain: server.domain() })
    onTestFinished(() => log.close())
    return log
  }

  const stored = async (log: Log): Promise<number | undefined> =>
    (await log.describeTopic('t')).partitionDetails[0]?.batches

  it('frees the messages of a history that was truncated, and no others', async () => {
    const log = await opened()
    await log.createTopic('t', { keyed: 'history' })
    for (let n = 0; n < 10; n++)
      await log.append('t', [
        { key: 'k', value: `${n}` },
        { key: 'k', value: `${n} b` },
      ])
    await log.append('t', { key: 'other', value: 'stays' })
    await log.truncateHistory('t', Buffer.from('k'), 7)
    // Of ten messages those with the versions 6 and 7 and later ones; the truncation; the other key's.
    expect(await stored(log)).toBe(7 + 1 + 1)
    await log.truncateHistory('t', Buffer.from('k'), 20)
    expect(await stored(log)).toBe(1 + 1)
    if (!log.capabilities.transactions) return
    await log.append('t', [
      { key: 'k', value: 'new' },
      { key: 'k', value: 'newer' },
    ])
    await log.transaction(tx => tx.truncateHistory('t', Buffer.from('k'), 22))
    await expect.poll(() => stored(log)).toBe(1 + 1)
    expect((await log.append('t', { key: 'k', value: 'next' })).positions[0]?.version).toBe(22)
  })

  it('by bytes is done by several processes at once as by one', async () => {
    const domain = server.domain()
    const logs = await Promise.all(Array.from({ length: 3 }, () => connectLog({ url: server.url, domain })))
    onTestFinished(async () => void (await Promise.all(logs.map(log => log.close()))))
    const log = logs[0]!
    await log.createTopic('t', { retention: { bytes: 100_000 } })
    const offsets: number[] = []
    let next = 0
    const append = async (): Promise<void> => {
      // Of all sizes up to the limit's hundredth part.
      const { positions } = await log.append('t', { value: Buffer.alloc((next++ * 37) % 1_000) })
      offsets.push(positions[0]!.offset)
    }
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 60; n++) await append()
      // Those that come late have counted what is gone already.
      await Promise.all(logs.slice(0, 1 + (round % logs.length)).map(each => each.runMaintenance()))
    }
    await Promise.all(logs.map(each => each.runMaintenance()))
    const { records } = await log.read('t', 0, { from: 0, maxRecords: 1_000 })
    const kept = records.reduce((sum, { value }) => sum + value!.length + 78, 0)
    expect(kept).toBeLessThanOrEqual(100_000)
    // No more is gone than by one that counts in ranges, and never what is new.
    expect(kept).toBeGreaterThan(95_000)
    expect(records.map(({ offset }) => offset)).toEqual(offsets.slice(-records.length))
  })

  it('takes away what is too old', async () => {
    const log = await opened()
    await log.createTopic('t', { partitions: 2, retention: '1h' })
    for (let n = 0; n < 10; n++) await log.append('t', { value: `${n}`, partition: 0 })
    await log.runMaintenance()
    expect(await stored(log)).toBe(10)
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    vi.setSystemTime(Date.now() + day)
    await log.runMaintenance()
    expect(await stored(log)).toBe(0)
  })

  it('finds what was written since it was there last, and what came before it began', async () => {
    const log = await opened()
    if (!log.capabilities.transactions) return
    await log.createTopic('rows', { keyed: 'latest', cleanup: 'compact' })
    await log.createTopic('t', { keyed: 'latest', cleanup: 'compact' })
    const write = async (value: string): Promise<void> => {
      for (const key of ['a', 'b', 'c']) await log.append('t', { key, value })
      await log.transaction(tx => {
        tx.putState('s', Buffer.from('k'), Buffer.from(value))
        if (value === '3') tx.deleteState('s', Buffer.from('k'))
      })
    }
    await write('0')
    await write('1')
    for (const value of ['2', '3', '4']) {
      await log.runMaintenance()
      expect(await stored(log)).toBe(3)
      await write(value)
      expect(await stored(log)).toBe(6)
    }
    await log.runMaintenance()
    expect(await stored(log)).toBe(3)
    expect(Buffer.from((await log.get('t', Buffer.from('a')))!.value!).toString()).toBe('4')
    expect(Buffer.from((await log.getState('s', Buffer.from('k')))!).toString()).toBe('4')
  })

  it('takes away a tombstone of a compacted topic after a day, not before', async () => {
    const log = await opened()
    await log.createTopic('t', { keyed: 'latest', cleanup: 'compact' })
    await log.append('t', { key: 'gone', value: 'v' })
    await log.append('t', { key: 'gone', value: null })
    await log.append('t', { key: 'stays', value: 'v' })
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    await log.runMaintenance()
    expect(await stored(log)).toBe(2)
    vi.setSystemTime(Date.now() + 0.9 * day)
    await log.runMaintenance()
    expect(await stored(log)).toBe(2)
    vi.setSystemTime(Date.now() + 0.2 * day)
    await log.runMaintenance()
    expect(await stored(log)).toBe(1)
    await log.append('t', { key: 'gone', value: 'again' }, { expected: 'no-stream' })
  })
})
