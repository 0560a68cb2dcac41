import { openLog } from '@aegis/log'
import { acknowledge } from '@aegis/subscription'
import { expect, it } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { EventStore, type EventSubscription, type SubscribeEventsOptions } from '../src/index.ts'
import { checkOrder, temporaryFolder } from './given.ts'

const numbered = (n: number) => ({ type: n % 2 === 0 ? 'even' : 'odd', data: n })

describeEachLog('subscriptions to events', open => {
  it('a group goes on after a restart with exactly what it has not acknowledged', async () => {
    await using folder = await temporaryFolder()
    const options = { dataDir: folder.path, durability: 'buffered' } as const
    {
      await using store = await EventStore.open(options)
      for (let n = 0; n < 6; n++) await store.append(n < 5 ? 'account-1' : 'other', numbered(n))
      for await (const event of await store.subscribe('account-*', { groupId: 'g' })) {
        if (event.data !== 1) event.ack()
        if (event.data === 3) break
      }
    }
    await using store = await EventStore.open(options)
    await store.append('account-2', numbered(6))
    const seen: number[] = []
    for await (const event of await store.subscribe('account-*', { groupId: 'g' })) {
      seen.push(event.data)
      event.ack()
      if (event.data === 6) break
    }
    expect(seen).toEqual([1, 4, 6])
  })

  it('one stream among others: what it has and gets, from the beginning, a position, a time or the end, and nothing else', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const positions: number[] = []
    for (let n = 0; n < 40; n++) {
      await store.append(`other-${n}`, numbered(n))
      if (n % 4 === 0) positions.push((await store.append('one', [numbered(n), numbered(n + 1)])).position)
    }
    const all = (await store.load('one')).map(({ version }) => version)
    const middle = (await store.load('one'))[11]!
    const takes = async (from: SubscribeEventsOptions['from'], expected: number[]): Promise<void> => {
      const versions: number[] = []
      const subscription = await store.subscribe('one', from === undefined ? {} : { from })
      const last = (await store.append('one', numbered(0))).version
      await store.append('one-more', numbered(0))
      for await (const { version, streamId } of subscription) {
        expect(streamId).toBe('one')
        versions.push(version)
        if (version === last) break
      }
      expect(versions.slice(0, -1)).toEqual(expected)
      all.push(last)
    }
    await takes(undefined, [...all])
    await takes({ position: positions[5]! }, all.slice(11))
    await takes(
      { time: middle.timestamp },
      all.slice((await store.load('one')).findIndex(({ timestamp }) => timestamp >= middle.timestamp)),
    )
    await takes('latest', [])
  })

  it('a group of one stream has nothing left to read when others have got events, and goes on behind its own', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const handle = async (upTo: number): Promise<number[]> => {
      const subscription = await store.subscribe('one', { groupId: 'g' })
      const seen: number[] = []
      const running = subscription.run(({ data }) => void seen.push(data))
      for await (const { type } of subscription.status()) if (type === 'caught-up') break
      await expect.poll(() => seen).toHaveLength(upTo)
      await subscription.close()
      await running
      return seen
    }
    await store.append('one', [numbered(0), numbered(1)])
    for (let n = 0; n < 30; n++) await store.append(`other-${n}`, numbered(n))
    expect(await handle(2)).toEqual([0, 1])
    expect((await log.lag('g', '$events'))[0]!.lag).toBe(0)
    await store.append('one', numbered(2))
    await store.append('other', numbered(3))
    expect(await handle(1)).toEqual([2])
    expect((await log.lag('g', '$events'))[0]!.lag).toBe(0)
  })

  it('exactly once: the event is acknowledged in the transaction that appends what follows from it', async () => {
    await using log = await open()
    const store = new EventStore(log)
    for (let n = 0; n < 20; n++) await store.append(`in-${n % 3}`, numbered(n))
    const failed = new Set<number>()
    const reactions = await store.subscribe('in-*', { groupId: 'g', delivery: 'exactly-once', backoff: 0 })
    const running = reactions.run(async (event, tx) => {
      await store.within(tx).append('out', { type: 'seen', data: event.data })
      if (event.data % 7 === 3 && !failed.has(event.data)) {
        failed.add(event.data)
        throw new Error('the first time it fails')
      }
    })
    const outcomes = await store.subscribe('out')
    let left = 20
    for await (const _ of outcomes) if (--left === 0) break
    await reactions.close()
    await running
    expect((await store.load('out')).map(event => event.data)).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect(failed.size).toBe(3)
  })

  it('what a handler cannot do goes to the dead letters, and the others go on', async () => {
    await using log = await open()
    const store = new EventStore(log)
    for (let n = 0; n < 5; n++) await store.append('a', numbered(n))
    const seen: number[] = []
    const subscription = await store.subscribe('a', { groupId: 'g', maxAttempts: 2, backoff: 0 })
    const running = subscription.run(event => {
      if (event.data === 2) throw new Error('cannot')
      seen.push(event.data)
      if (event.data === 4) void subscription.close()
    })
    await running
    expect(seen).toEqual([0, 1, 3, 4])
    const { records } = await log.read('$events.dead', 0, { from: 0 })
    expect(records.map(({ value }) => JSON.parse(Buffer.from(value!).toString()).data)).toEqual([2])
  })

  it('what a group could not handle is parked, and given back to it alone, as it was', async () => {
    await using log = await open()
    const store = new EventStore(log)
    for (let n = 0; n < 3; n++) await store.append('a', numbered(n))
    let broken = true
    const handled: { data: number; version: number; streamId: string; attempts: number }[] = []
    const subscription = await store.subscribe('a', { groupId: 'g', maxAttempts: 2, backoff: 0 })
    let done: () => void = () => undefined
    const all = new Promise<void>(resolve => {
      done = resolve
    })
    const parked = (async () => {
      for await (const status of subscription.status()) if (status.type === 'dead-lettered') return
    })()
    const running = subscription.run(({ data, version, streamId, attempts }) => {
      if (data === 1 && broken) throw new Error('cannot')
      handled.push({ data, version, streamId, attempts })
      if (handled.length === 3) done()
    })
    await parked
    expect(await store.redrive('other')).toBe(0)
    broken = false
    expect(await store.redrive('g')).toBe(1)
    await all
    expect(await store.redrive('g')).toBe(0)
    await subscription.close()
    await running
    expect(handled.at(-1)).toEqual({ data: 1, version: 1, streamId: 'a', attempts: 1 })
  })

  it('an event that is put aside for long comes back as it was', async () => {
    let now = 1_700_000_000_000
    await using log = await openLog({ memory: true, now: () => now })
    const store = new EventStore(log)
    await store.append('a', [numbered(0), numbered(1)])
    const subscription = await store.subscribe('a', { groupId: 'g' })
    const seen: [number, number][] = []
    for await (const event of subscription) {
      seen.push([event.version, event.attempts])
      if (seen.length === 1) event.nack({ delay: '40s' })
      else event.ack()
      if (seen.length === 2) {
        await subscription.commit()
        now += 41_000
        break
      }
    }
    for await (const { version, attempts } of await store.subscribe('a', { groupId: 'g' })) {
      seen.push([version, attempts])
      break
    }
    expect(seen).toEqual([
      [0, 1],
      [1, 1],
      [0, 2],
    ])
  })

  it('tells when it has caught up with what was stored', async () => {
    await using log = await open()
    const store = new EventStore(log)
    for (let n = 0; n < 50; n++) await store.append('a', numbered(n))
    const subscription = await store.subscribe('a')
    let seen = 0
    const running = subscription.run(() => {
      seen++
    })
    for await (const status of subscription.status()) if (status.type === 'caught-up') break
    expect(seen).toBe(50)
    await subscription.close()
    await running
  })

  it('types, positions and times choose where it begins and what comes', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const results = []
    for (let n = 0; n < 10; n++) results.push(await store.append('a', numbered(n)))
    const take = async (count: number, subscription: EventSubscription) => {
      const seen: number[] = []
      for await (const event of subscription) if (seen.push(event.data) === count) break
      return seen
    }
    expect(await take(3, await store.subscribe('*', { types: ['odd'] }))).toEqual([1, 3, 5])
    const from = { position: results[7]!.position }
    expect(await take(2, await store.subscribe('*', { from }))).toEqual([7, 8])
    const latest = await store.subscribe('*', { from: 'latest' })
    await store.append('a', numbered(10))
    expect(await take(1, latest)).toEqual([10])
  })

  it('an event is acknowledged in a transaction of one’s own', async () => {
    await using log = await open()
    const store = new EventStore(log)
    await store.append('a', [numbered(0), numbered(1)])
    for await (const event of await store.subscribe('a', { groupId: 'g' })) {
      await log.transaction(async tx => {
        await store.within(tx).append('b', { type: 'seen', data: event.id })
        acknowledge(tx, event)
      })
      break
    }
    for await (const event of await store.subscribe('a', { groupId: 'g' })) {
      expect(event.data).toBe(1)
      break
    }
  })

  it('subscribers see every event once and in order while appends, closings and reopenings go on', async () => {
    await using folder = await temporaryFolder()
    let next = 0
    let position = 0
    const seen = []
    for (let round = 0; round < 4; round++) {
      await using store = await EventStore.open({ dataDir: folder.path, durability: 'buffered' })
      const writing = Array.from({ length: 3 }, async (_, writer) => {
        for (let n = 0; n < 20; n++) await store.append(`s-${writer}`, [numbered(next++), numbered(next++)])
      })
      const aborting = new AbortController()
      const subscription = await store.subscribe('s-*', { from: { position }, signal: aborting.signal })
      for await (const event of subscription) {
        seen.push(event)
        position = event.position + 1
        if (seen.length === 100 * (round + 1)) break
      }
      await Promise.all(writing)
    }
    checkOrder(seen)
    expect(seen).toHaveLength(400)
  })
})
