import { openLog } from '@aegis/log'
import { describe, expect, it } from 'vitest'
import type { Subscription, SubscriptionStatus } from '../src/index.ts'
import { type Item, publish, subscribe } from './items.ts'

const earliest = { groupId: 'g', from: 'earliest', backoff: 0 } as const

/** What is reported until the subscription is closed. */
async function collect(subscription: Subscription<Item>): Promise<SubscriptionStatus[]> {
  const seen: SubscriptionStatus[] = []
  for await (const status of subscription.status()) seen.push(status)
  return seen
}

describe('the status', () => {
  it('tells assignment, progress, attempts, dead letters and the end, in this order', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'good', 'bad')
    const subscription = await subscribe(log, { ...earliest, maxAttempts: 2 })
    const all = collect(subscription)
    const running = subscription.run(({ text }) => {
      if (text === 'bad') throw new Error('no')
    })
    for await (const { type } of subscription.status()) if (type === 'dead-lettered') break
    for await (const { type } of subscription.status()) if (type === 'caught-up') break
    await subscription.close()
    await running
    const at = { topic: 't', partition: 0, offset: 1, reason: 'Error: no' }
    const seen = await all
    expect(seen.filter(({ type }) => type !== 'caught-up')).toEqual([
      { type: 'assigned', topic: 't', partitions: [0] },
      { type: 'retried', ...at, attempts: 1, delay: 0 },
      { type: 'dead-lettered', ...at, attempts: 2 },
      { type: 'closed' },
    ])
    expect(seen.filter(({ type }) => type === 'caught-up')).toEqual([{ type: 'caught-up', topic: 't' }])
  })

  it('says caught-up after everything that was there has been handed over, and again after lagging', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 3 })
    const texts = Array.from({ length: 100 }, (_, at) => String(at))
    await publish(log, ...texts)
    const subscription = await subscribe(log, { from: 'earliest', maxPollRecords: 7 })
    const seen: string[] = []
    const loop = subscription[Symbol.asyncIterator]()
    const reading = (async () => {
      for (let next = await loop.next(); next.done !== true; next = await loop.next()) seen.push(next.value.text)
    })()
    const progress: string[] = []
    for await (const { type } of subscription.status()) {
      if (type !== 'caught-up' && type !== 'lagging') continue
      progress.push(`${type} at ${seen.length}`)
      if (progress.length === 1) await publish(log, ...texts)
      if (seen.length === 200 && type === 'caught-up') break
    }
    expect(progress[0]).toBe('caught-up at 100')
    expect(progress.filter(entry => entry.startsWith('lagging'))).not.toEqual([])
    expect(progress.at(-1)).toBe('caught-up at 200')
    await subscription.close()
    await reading
  })

  it('tells which partitions came and went, to those who ask later too', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    const first = await subscribe(log, earliest)
    const all = collect(first)
    const second = await subscribe(log, earliest)
    await second.close()
    const late = (await first.status().next()).value
    await first.close()
    expect(await all).toEqual([
      { type: 'assigned', topic: 't', partitions: [0, 1] },
      { type: 'revoked', topic: 't', partitions: [1] },
      { type: 'assigned', topic: 't', partitions: [1] },
      { type: 'closed' },
    ])
    expect(late).toEqual({ type: 'assigned', topic: 't', partitions: [0, 1] })
  })

  it('tells why it was closed when nothing could go on', async () => {
    const log = await openLog({ memory: true })
    await log.createTopic('t')
    const subscription = await subscribe(log, earliest)
    const all = collect(subscription)
    const running = subscription.run(() => undefined)
    const failed = expect(running).rejects.toMatchObject({ code: 'SUBSCRIPTION_CLOSED' })
    await log.close()
    await failed
    expect((await all).at(-1)).toMatchObject({ type: 'closed', error: { code: 'SUBSCRIPTION_CLOSED' } })
  })

  it('keeps a bounded number of entries for who does not read, and says how many are missed', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a')
    const subscription = await subscribe(log, { ...earliest, maxAttempts: 2000 })
    const status = subscription.status()
    await subscription.run(({ attempts }) => {
      if (attempts < 1500) throw new Error('again')
      void subscription.close()
    })
    expect((await status.next()).value?.type).toBe('missed')
    let count = 0
    for await (const _ of status) count++
    expect(count).toBe(1000)
  })
})
