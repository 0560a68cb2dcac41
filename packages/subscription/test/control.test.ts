import { openLog } from '@aegis/log'
import { describe, expect, it } from 'vitest'
import { Subscription } from '../src/index.ts'
import { deferred, publish, subscribe, take } from './items.ts'

const earliest = { groupId: 'g', from: 'earliest' } as const
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

describe('a paused subscription', () => {
  it('hands nothing over until it is resumed, and loses nothing', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, ...'abc')
    const subscription = await subscribe(log, earliest)
    const seen: string[] = []
    const [first, all] = [deferred<void>(), deferred<void>()]
    const running = subscription.run(({ text }) => {
      seen.push(text)
      if (text === 'b') {
        subscription.pause()
        first.resolve()
      }
      if (text === 'd') all.resolve()
    })
    await first.promise
    await publish(log, 'd')
    await turns()
    expect(seen).toEqual(['a', 'b'])
    subscription.resume()
    await all.promise
    await subscription.close()
    await running
    expect(seen).toEqual(['a', 'b', 'c', 'd'])
  })

  it('can be closed', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const subscription = await subscribe(log, earliest)
    subscription.pause()
    const taken = take(subscription, 1)
    await subscription.close()
    expect(await taken).toEqual([])
  })
})

describe('seeking', () => {
  it('goes on from an offset, a time, the beginning or the end; what was handed over before is not acknowledged any more', async () => {
    let now = 1000
    await using log = await openLog({ memory: true, now: () => now })
    await log.createTopic('t')
    for (const text of 'abcd') {
      await publish(log, text)
      now += 1000
    }
    for (const groupId of ['g', undefined]) {
      const subscription = await subscribe(log, { from: 'earliest', ...(groupId && { groupId }) })
      const loop = subscription[Symbol.asyncIterator]()
      const next = async () => (await loop.next()).value!
      const old = await next()
      expect(old.text).toBe('a')
      await subscription.seek({ offset: 2 })
      old.ack()
      expect((await next()).text).toBe('c')
      await subscription.seek({ time: 1500 })
      expect((await next()).text).toBe('b')
      await subscription.seek('earliest')
      expect((await next()).text).toBe('a')
      await subscription.seek('latest')
      if (groupId !== undefined) expect((await log.committed(groupId, 't', 0))?.offset).toBe(await log.endOffset('t'))
      await publish(log, 'e')
      expect((await next()).text).toBe('e')
      await loop.return()
    }
    // Not acknowledged, so it is where the group goes on.
    expect((await log.committed('g', 't', 0))?.offset).toBe(4)
  })

  it('hands over nothing from the place before, also when it arrives meanwhile', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a')
    const subscription = await subscribe(log, earliest)
    const loop = subscription[Symbol.asyncIterator]()
    expect((await loop.next()).value?.text).toBe('a')
    const second = loop.next()
    await turns()
    const commitPosition = log.commitPosition.bind(log)
    log.commitPosition = async position => {
      await publish(log, 'b')
      await turns()
      await commitPosition(position)
    }
    await subscription.seek('earliest')
    const third = loop.next()
    expect([(await second).value?.text, (await third).value?.text]).toEqual(['a', 'b'])
    await loop.return()
  })

  it('is refused where it makes no sense', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await log.createTopic('u')
    const two = await Subscription.open(log, ['t', 'u'], record => record, earliest)
    await expect(two.seek({ offset: 1 })).rejects.toMatchObject({ code: 'SUBSCRIPTION_INVALID' })
    await expect(two.seek({ offset: -1 })).rejects.toMatchObject({ code: 'SUBSCRIPTION_INVALID' })
    await two.close()
    await expect(two.seek('earliest')).rejects.toMatchObject({ code: 'SUBSCRIPTION_CLOSED' })
  })
})

describe('several topics', () => {
  it('may come later, and go', async () => {
    await using log = await openLog({ memory: true })
    const subscription = await Subscription.open(log, [], ({ topic }) => topic, { groupId: 'g' })
    const loop = subscription[Symbol.asyncIterator]()
    const first = loop.next()
    for (const topic of ['a', 'b']) {
      await log.createTopic(topic)
      await log.append(topic, { value: null })
      await subscription.add(topic)
    }
    expect([(await first).value, (await loop.next()).value]).toEqual(['a', 'b'])
    const next = loop.next()
    await log.deleteTopic('a')
    await log.append('b', { value: null })
    expect((await next).value).toBe('b')
    expect(subscription.topics).toEqual(['b'])
    await expect(subscription.add('none')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await loop.return()
  })
})

describe('lag', () => {
  it('is told again and again until the subscription is closed', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    await log.append('t', { value: null, partition: 1 })
    const subscription = await subscribe(log, earliest)
    const lags: number[] = []
    for await (const partitions of subscription.watchLag({ interval: 1 })) {
      const lag = partitions.reduce((sum, partition) => sum + partition.lag, 0)
      if (lags.at(-1) !== lag) lags.push(lag)
      if (lags.length === 1) await log.append('t', { value: null, partition: 0 })
      if (lags.length === 2) await subscription.close()
    }
    expect(lags).toEqual([1, 2])
  })
})

describe('one partition', () => {
  const given = async () => {
    const log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    await log.append(
      't',
      [...'abcdef'].map((value, at) => ({ value, key: 'k', partition: at % 2 })),
    )
    return log
  }

  for (const options of [{}, { maxPollRecords: 1 }, { delivery: 'exactly-once' }] as const) {
    it(`is paused and resumed by a message of it, and the others go on (${JSON.stringify(options)})`, async () => {
      await using log = await given()
      const subscription = await subscribe(log, { ...earliest, ...options })
      const seen: string[] = []
      const [others, all] = [deferred<void>(), deferred<void>()]
      const running = subscription.run(
        ({ text, partition }) => {
          seen.push(text)
          if (text === 'a') subscription.pause({ topic: 't', partition })
          if (text === 'f') others.resolve()
          if (text === 'e') all.resolve()
        },
        { concurrency: 2 },
      )
      await others.promise
      await turns()

      expect(seen.sort()).toEqual([...'abdf'])
      subscription.resume({ topic: 't', partition: 0 })
      await all.promise
      expect(seen.slice(4)).toEqual(['c', 'e'])
      await subscription.close()
      await running
      expect((await log.lag('g', 't')).map(({ lag }) => lag)).toEqual([0, 0])
    })
  }

  it('that is paused keeps those waiting which are behind it in the order of their key', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await log.append(
      't',
      [...'abc'].map(value => ({ value, key: 'k' })),
    )
    const subscription = await subscribe(log, earliest)
    const seen: string[] = []
    const all = deferred<void>()
    const running = subscription.run(
      async ({ text, partition }) => {
        seen.push(text)
        // The others have been taken, and wait for this one.
        await turns()
        if (text === 'a') subscription.pause({ topic: 't', partition })
        if (text === 'c') all.resolve()
      },
      { concurrency: 3 },
    )
    await expect.poll(() => seen).toEqual(['a'])
    await turns()
    await turns()
    expect(seen).toEqual(['a'])
    subscription.resume({ topic: 't', partition: 0 })
    await all.promise
    await subscription.close()
    await running
  })

  it('is not paused where it goes', async () => {
    await using log = await given()
    const first = await subscribe(log, earliest)
    for (const partition of [0, 1]) first.pause({ topic: 't', partition })
    const second = await subscribe(log, earliest)
    expect((await take(second, 3, item => item.ack())).length).toBe(3)
    await first.close()
  })

  it('is sought alone, also among several topics', async () => {
    await using log = await given()
    await log.createTopic('u')
    const subscription = await Subscription.open(
      log,
      ['t', 'u'],
      ({ value, partition, offset, topic }) => ({ text: String(value), partition, offset, topic }),
      earliest,
    )
    const loop = subscription[Symbol.asyncIterator]()
    const next = async () => (await loop.next()).value!
    const first = await next()
    for (let at = 1; at < 6; at++) await next()
    await subscription.seek({ offset: first.offset }, first)
    const again = [await next(), await next(), await next()]
    expect(again.map(({ partition }) => partition)).toEqual([first.partition, first.partition, first.partition])
    expect(again[0]).toEqual(first)
    await loop.return()
  })

  it('is named by a topic that is subscribed to, and a number', async () => {
    await using log = await given()
    const subscription = await subscribe(log, earliest)
    for (const of of [{ topic: 'none', partition: 0 }, { topic: 't', partition: -1 }, { topic: 't' }] as const) {
      expect(() => subscription.pause(of as never)).toThrow(expect.objectContaining({ code: 'SUBSCRIPTION_INVALID' }))
      await expect(subscription.seek('earliest', of as never)).rejects.toMatchObject({ code: 'SUBSCRIPTION_INVALID' })
    }
    // One that another member has.
    subscription.pause({ topic: 't', partition: 7 })
    await subscription.close()
    const shared = await subscribe(log, { ...earliest, mode: 'shared' })
    expect(() => shared.pause({ topic: 't', partition: 0 })).toThrow(
      expect.objectContaining({ code: 'SUBSCRIPTION_INVALID' }),
    )
    await shared.close()
  })
})

it('under exactly-once a pause holds for what has been fetched with it, also when a handler has failed, and can be closed', async () => {
  await using log = await openLog({ memory: true })
  await log.createTopic('t')
  await publish(log, ...'abc')
  const subscription = await subscribe(log, { ...earliest, delivery: 'exactly-once', backoff: 0 })
  const seen: string[] = []
  const refused = deferred<void>()
  const running = subscription.run(({ text, attempts }) => {
    seen.push(`${text}${attempts}`)
    if (text !== 'a' || seen.length === 1) return
    subscription.pause()
    refused.resolve()
    throw new Error('not now')
  })
  await publish(log, 'd')
  await expect.poll(async () => (await log.lag('g', 't'))[0]?.lag).toBe(0)
  await subscription.seek('earliest')
  await refused.promise
  await turns()
  const paused = seen.length
  await turns()
  expect(seen.length).toBe(paused)
  await subscription.close()
  await running
})

it('under exactly-once what is paused while it waits to be tried again is tried when it goes on', async () => {
  await using log = await openLog({ memory: true })
  await log.createTopic('t')
  await publish(log, 'a', 'b')
  const subscription = await subscribe(log, { ...earliest, delivery: 'exactly-once', backoff: 20 })
  const seen: string[] = []
  const failed = deferred<void>()
  const running = subscription.run(({ text, attempts }) => {
    seen.push(`${text}${attempts}`)
    if (text === 'b') void subscription.close()
    if (text !== 'a' || attempts > 1) return
    // With others first, which is no attempt, and then alone.
    if (seen.length === 2) failed.resolve()
    throw new Error('again')
  })
  await failed.promise
  subscription.pause()
  // Its time has come and gone.
  await new Promise(resolve => setTimeout(resolve, 60))
  expect(seen).toEqual(['a1', 'a1'])
  subscription.resume()
  await running
  expect(seen).toEqual(['a1', 'a1', 'a2', 'b1'])
})
