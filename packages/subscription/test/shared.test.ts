import { type Log, openLog } from '@aegis/log'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { acknowledge, type SubscriptionOptions } from '../src/index.ts'
import { deferred, everything, publish, subscribe, take } from './items.ts'

const shared = { groupId: 'g', from: 'earliest', mode: 'shared', backoff: 0 } as const

afterEach(() => void vi.useRealTimers())

async function given(...texts: string[]): Promise<Log> {
  const log = await openLog({ memory: true })
  await log.createTopic('t')
  if (texts.length > 0) await publish(log, ...texts)
  return log
}

async function members(log: Log, count: number, options: SubscriptionOptions = {}) {
  const all = []
  for (let at = 0; at < count; at++) {
    const subscription = await subscribe(log, { ...shared, ...options })
    all.push({ subscription, loop: subscription[Symbol.asyncIterator]() })
  }
  return all
}

describe('a shared group', () => {
  it('has more members than partitions at work, each message with one of them', async () => {
    await using log = await given(...'abcd')
    const all = await members(log, 4)
    const items = await Promise.all(all.map(async ({ loop }) => (await loop.next()).value!))
    expect(items.map(({ text }) => text).sort()).toEqual([...'abcd'])
    for (const item of items) item.ack()
    for (const { loop } of all) await loop.return()
    expect(await log.committed('g', 't', 0)).toEqual({ offset: 4, metadata: '' })
    expect((await log.describeGroup('g', 't')).members).toBe(0)
  })

  it('reads the same topic as groups that read it as a log', async () => {
    await using log = await given(...'abc')
    const [{ loop } = { loop: undefined }] = await members(log, 1)
    const first = (await loop!.next()).value!
    expect(await take(await subscribe(log, { groupId: 'log', from: 'earliest' }), 3)).toEqual([...'abc'])
    first.ack()
    await loop!.return()
    expect((await log.committed('g', 't', 0))?.offset).toBe(1)
  })

  it('gives what a member has left to the others at once', async () => {
    await using log = await given(...'ab')
    const [one, two] = await members(log, 2)
    expect((await one!.loop.next()).value).toMatchObject({ text: 'a', attempts: 1 })
    ;(await two!.loop.next()).value?.ack()
    const next = two!.loop.next()
    await one!.loop.return()
    expect((await next).value).toMatchObject({ text: 'a', attempts: 2 })
    await two!.loop.return()
  })

  it('does not count what was only fetched, however often its members come and go', async () => {
    await using log = await given(...Array.from({ length: 50 }, (_, at) => String(at)))
    for (let round = 0; round < 5; round++) await take(await subscribe(log, shared), 1, item => item.ack())
    const attempts = new Set<number>()
    const texts = await take(await subscribe(log, shared), 45, item => {
      attempts.add(item.attempts)
      item.ack()
    })
    expect([...attempts]).toEqual([1])
    expect(texts.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 45 }, (_, at) => at + 5))
  })

  it('gives a refused message to any member after its delay, and to the dead letters after its last attempt', async () => {
    await using log = await given('bad')
    const all = await members(log, 3, { maxAttempts: 3 })
    const seen: number[] = []
    for (const { loop } of all) {
      const item = (await loop.next()).value!
      seen.push(item.attempts)
      item.nack({ reason: 'no' })
      // Who has refused it has nothing more to say.
      item.ack()
    }
    expect(seen).toEqual([1, 2, 3])
    await expect.poll(async () => (await log.listTopics()).length).toBe(2)
    for (const { loop } of all) await loop.return()
    expect(await everything(log, 't.dead')).toEqual(['bad'])
    expect((await log.committed('g', 't', 0))?.offset).toBe(1)
  })

  it('runs handlers of all members side by side, and nothing twice', async () => {
    await using log = await given(...Array.from({ length: 300 }, (_, at) => String(at)))
    const seen: string[] = []
    const all = await members(log, 3).then(list => list.map(({ subscription }) => subscription))
    for (const subscription of all) await subscription.close()
    const runs = await Promise.all(
      [0, 1, 2].map(async () => {
        const subscription = await subscribe(log, shared)
        return { subscription, running: [subscription] }
      }),
    )
    const done = deferred<void>()
    const running = runs.map(({ subscription }) =>
      subscription.run(
        async ({ text }) => {
          await new Promise(resolve => setImmediate(resolve))
          if (seen.push(text) === 300) done.resolve()
        },
        { concurrency: 10 },
      ),
    )
    await done.promise
    for (const { subscription } of runs) await subscription.close()
    await Promise.all(running)
    expect(new Set(seen).size).toBe(300)
    expect(seen).toHaveLength(300)
    expect((await log.lag('g', 't'))[0]?.lag).toBe(0)
  })

  it('hands over the highest priority first, of what is fetched', async () => {
    await using log = await given('1', '3', '2', '3', '1')
    const priority = ({ value }: { value: Uint8Array | null }) => Number(Buffer.from(value!).toString())
    expect(await take(await subscribe(log, { ...shared, priority }), 5, item => item.ack())).toEqual([...'33211'])
  })

  it('acknowledges in transactions', async () => {
    await using log = await given(...'abc')
    await log.createTopic('out')
    const subscription = await subscribe(log, { ...shared, delivery: 'exactly-once' })
    await subscription.run(({ text }, tx) => {
      tx.append('out', { value: text })
      if (text === 'c') void subscription.close()
    })
    expect(await everything(log, 'out')).toEqual([...'abc'])
    expect((await log.committed('g', 't', 0))?.offset).toBe(3)
  })

  it('refuses what does not go with it', async () => {
    await using log = await given()
    const wrong: SubscriptionOptions[] = [
      { mode: 'shared' },
      { ...shared, delivery: 'at-most-once' },
      { ...shared, lease: 0 },
      { groupId: 'g', lease: '1m' },
      { groupId: 'g', priority: () => 1 },
      { groupId: 'g', mode: 'queue' as 'shared' },
    ]
    for (const options of wrong) {
      await expect(subscribe(log, options)).rejects.toMatchObject({ code: 'SUBSCRIPTION_INVALID' })
    }
    const subscription = await subscribe(log, shared)
    await expect(subscription.seek('earliest')).rejects.toMatchObject({ code: 'SUBSCRIPTION_INVALID' })
    await expect(subscription.run(() => undefined, { order: 'key' })).rejects.toMatchObject({
      code: 'SUBSCRIPTION_INVALID',
    })
    await subscription.close()
  })
})

describe('a lease', () => {
  it('lapses: the message goes to another member, counted, and the late acknowledgement does nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    await using log = await given('a')
    const [one, two] = await members(log, 2, { lease: '10s' })
    const late = (await one!.loop.next()).value!
    const next = two!.loop.next()
    await vi.advanceTimersByTimeAsync(9_000)
    let early = true
    void next.then(() => {
      early = false
    })
    await vi.advanceTimersByTimeAsync(500)
    expect(early).toBe(true)
    await vi.advanceTimersByTimeAsync(1_000)
    const again = (await next).value!
    expect(again).toMatchObject({ text: 'a', attempts: 2 })
    late.ack()
    await expect(late.extend()).rejects.toMatchObject({ code: 'LEASE_LAPSED' })
    await expect(log.transaction(tx => acknowledge(tx, late))).rejects.toMatchObject({ code: 'LEASE_LAPSED' })
    await one!.subscription.commit()
    expect((await log.committed('g', 't', 0))?.offset).toBe(0)
    again.ack()
    await two!.subscription.commit()
    expect((await log.committed('g', 't', 0))?.offset).toBe(1)
    for (const { subscription } of [one!, two!]) await subscription.close()
  })

  it('can be extended', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    await using log = await given('a')
    const [one, two] = await members(log, 2, { lease: '10s' })
    const item = (await one!.loop.next()).value!
    const next = two!.loop.next()
    for (let round = 0; round < 5; round++) {
      await vi.advanceTimersByTimeAsync(9_000)
      await item.extend()
    }
    item.ack()
    await one!.subscription.commit()
    expect((await log.committed('g', 't', 0))?.offset).toBe(1)
    await Promise.all([one!.subscription.close(), two!.subscription.close()])
    expect((await next).done).toBe(true)
  })

  it('that lapses with the last attempt puts the message to the dead letters', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    await using log = await given('a')
    const [one] = await members(log, 1, { lease: '10s', maxAttempts: 1 })
    await one!.loop.next()
    const dead = (async () => {
      for await (const status of one!.subscription.status()) if (status.type === 'dead-lettered') return status
      return undefined
    })()
    await vi.advanceTimersByTimeAsync(11_000)
    expect(await dead).toMatchObject({ attempts: 1, reason: 'its lease of 10000 ms has lapsed' })
    await one!.subscription.close()
    expect((await log.committed('g', 't', 0))?.offset).toBe(1)
  })

  it('goes on over a restart without a word: nobody has the message before it lapses, and then it is counted', async () => {
    let now = 1_000_000
    const { openMemory } = await import('@aegis/storage')
    await using storage = await openMemory()
    const died = await openLog({ storage, now: () => now })
    await died.createTopic('t')
    await publish(died, ...'abc')
    const loop = (await subscribe(died, { ...shared, lease: '10s' }))[Symbol.asyncIterator]()
    expect((await loop.next()).value?.text).toBe('a')
    // Nothing is closed: as after a kill, the storage has what was committed until now.
    const log = await openLog({ storage, now: () => now })
    await publish(log, 'd')
    const [one] = await members(log, 1, { lease: '10s' })
    expect((await one!.loop.next()).value?.text).toBe('d')
    await one!.subscription.close()
    now += 10_001
    const seen: string[] = []
    await take(await subscribe(log, { ...shared, lease: '10s' }), 4, item => {
      seen.push(`${item.text}${item.attempts}`)
      item.ack()
    })
    expect(seen.sort()).toEqual(['a2', 'b2', 'c2', 'd2'])
  })
})
