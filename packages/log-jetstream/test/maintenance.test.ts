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
