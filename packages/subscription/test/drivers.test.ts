import type { Log } from '@aegis/log'
import { expect, it } from 'vitest'
import { redrive, Subscription } from '../src/index.ts'
import { onEachDriver } from './drivers.ts'
import { everything, type Item, publish, subscribe, take } from './items.ts'

const earliest = { groupId: 'g', from: 'earliest', backoff: 0 } as const

/** What is handed over until everything of the group is acknowledged. */
async function drain(log: Log, subscription: Subscription<Item>): Promise<string[]> {
  const texts: string[] = []
  const loop = subscription[Symbol.asyncIterator]()
  const reading = (async () => {
    for (let next = await loop.next(); next.done !== true; next = await loop.next()) {
      texts.push(next.value.text)
      next.value.ack()
    }
  })()
  for (;;) {
    await subscription.commit()
    if ((await log.lag('g', 't')).every(({ lag }) => lag === 0)) break
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  await loop.return()
  await reading
  return texts
}

onEachDriver(open => {
  const given = async (partitions: number, ...texts: string[]): Promise<Log> => {
    const log = await open()
    await log.createTopic('t', { partitions })
    await log.createTopic('out')
    if (texts.length > 0) await publish(log, ...texts)
    return log
  }

  it('what was not acknowledged is delivered again, in whatever order the rest was', async () => {
    await using log = await given(1, ...'abcdef')
    await take(await subscribe(log, earliest), 6, item => 'aceb'.includes(item.text) && item.ack())
    expect(await drain(log, await subscribe(log, earliest))).toEqual(['d', 'f'])
  })

  it('a refused message is tried again and goes to the dead letters, acknowledged in the same commit', async () => {
    await using log = await given(1, ...'ab')
    const seen: string[] = []
    const subscription = await subscribe(log, { ...earliest, maxAttempts: 2 })
    const running = subscription.run(({ text, attempts }) => {
      seen.push(`${text}${attempts}`)
      if (text === 'a') throw new Error('no')
    })
    for await (const { type } of subscription.status()) if (type === 'dead-lettered') break
    await subscription.close()
    await running
    expect(seen.sort()).toEqual(['a1', 'a2', 'b1'])
    expect(await everything(log, 't.dead')).toEqual(['a'])
    expect((await log.lag('g', 't')).map(({ lag }) => lag)).toEqual([0])
  })

  it('what is refused for long is put aside, and dead letters come back to their group', async () => {
    await using log = await given(2, ...'abcd')
    await take(await subscribe(log, { ...earliest, maxAttempts: 1 }), 4, item => {
      if (item.text === 'a') item.nack()
      else item.ack()
    })
    expect(await redrive(log, 't', 'g')).toBe(1)
    expect(await redrive(log, 't', 'g')).toBe(0)
    const back = await take(await subscribe(log, earliest), 1, item => item.nack({ delay: '1h' }))
    expect(back).toEqual(['a'])
    await publish(log, 'e')
    expect(await take(await subscribe(log, earliest), 1, item => item.ack())).toEqual(['e'])
    expect((await log.lag('g', 't')).map(({ lag }) => lag)).toEqual([0, 0])
  })

  it('exactly once: outputs and acknowledgement are one commit, and what throws has written nothing', async () => {
    await using log = await given(1, ...'abc')
    const subscription = await subscribe(log, { ...earliest, delivery: 'exactly-once' })
    let failed = false
    await subscription.run(({ text }, tx) => {
      tx.append('out', { value: text })
      if (text === 'b' && !failed) {
        failed = true
        throw new Error('once')
      }
      if (text === 'c') void subscription.close()
    })
    expect(await everything(log, 'out')).toEqual([...'abc'])
    expect((await log.lag('g', 't')).map(({ lag }) => lag)).toEqual([0])
  })

  it('members that come and go share the work and lose nothing', async () => {
    const texts = Array.from({ length: 60 }, (_, at) => String(at))
    await using log = await given(4, ...texts.slice(0, 30))
    const seen = new Set<string>()
    const member = async () => {
      const subscription = await subscribe(log, earliest)
      const running = subscription.run(async ({ text }) => {
        await new Promise(resolve => setImmediate(resolve))
        seen.add(text)
      })
      return { subscription, running }
    }
    const first = await member()
    const second = await member()
    await publish(log, ...texts.slice(30))
    await first.subscription.close()
    const third = await member()
    await expect.poll(() => seen.size).toBe(60)
    await Promise.all([second.subscription.close(), third.subscription.close()])
    await Promise.all([first.running, second.running, third.running])
    expect((await log.lag('g', 't')).map(({ lag }) => lag)).toEqual([0, 0, 0, 0])
  })

  it('a shared group gives each message to one of more members than partitions', async () => {
    const texts = Array.from({ length: 100 }, (_, at) => String(at))
    await using log = await given(1, ...texts)
    const seen: string[] = []
    const members = await Promise.all(
      Array.from({ length: 4 }, () => subscribe(log, { ...earliest, mode: 'shared' as const })),
    )
    const running = members.map(member =>
      member.run(
        async ({ text, attempts }) => {
          await new Promise(resolve => setImmediate(resolve))
          if (text === '7' && attempts === 1) throw new Error('once more')
          seen.push(text)
        },
        { concurrency: 5 },
      ),
    )
    await expect.poll(() => seen.length).toBe(100)
    await Promise.all(members.map(member => member.close()))
    await Promise.all(running)
    expect(seen.map(Number).sort((a, b) => a - b)).toEqual(texts.map(Number))
    expect((await log.lag('g', 't')).map(({ lag }) => lag)).toEqual([0])
  })

  it('at-most-once hands nothing over twice', async () => {
    await using log = await given(1, ...'abcd')
    const options = { ...earliest, delivery: 'at-most-once' } as const
    expect(await take(await subscribe(log, options), 2, item => item.nack())).toEqual(['a', 'b'])
    expect(await take(await subscribe(log, options), 2)).toEqual(['c', 'd'])
  })

  it('is caught up when everything was handed over, seeks, and takes several topics', async () => {
    await using log = await given(2, ...'abcd')
    await log.append('out', { value: 'x' })
    const subscription = await Subscription.open(
      log,
      ['t', 'out'],
      ({ value }, { ack }) => ({ text: Buffer.from(value!).toString(), ack }),
      earliest,
    )
    const loop = subscription[Symbol.asyncIterator]()
    const texts: string[] = []
    const reading = (async () => {
      for (let next = await loop.next(); next.done !== true; next = await loop.next()) texts.push(next.value.text)
    })()
    const caughtUp = async (): Promise<void> => {
      const topics = new Set<string>()
      for await (const status of subscription.status()) {
        if (status.type === 'caught-up') topics.add(status.topic)
        if (topics.size === 2) return
      }
    }
    await caughtUp()
    expect(texts.sort()).toEqual([...'abcd', 'x'])
    await subscription.seek('earliest')
    await expect.poll(() => texts.length).toBe(10)
    await loop.return()
    await reading
    expect((await log.lag('g', 't')).reduce((sum, { lag }) => sum + lag, 0)).toBe(4)
  })
})
