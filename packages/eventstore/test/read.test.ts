import fc from 'fast-check'
import { expect, it } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { EventStore, type ReadEventsOptions, type StoredEvent } from '../src/index.ts'

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describeEachLog('reading events', open => {
  it('loading and reading, in both directions, between versions and with a limit, agree with slicing a list', async () => {
    await using log = await open()
    const store = new EventStore(log)
    for (let n = 0; n < 60; n += 3) {
      await store.append(
        'a',
        [n, n + 1, n + 2].map(data => ({ type: 'e', data })),
      )
    }
    const bound = fc.option(fc.nat(70), { nil: undefined })
    const options = fc.record({
      direction: fc.constantFrom('forwards' as const, 'backwards' as const),
      from: bound,
      to: bound,
      limit: bound,
    })
    await fc.assert(
      fc.asyncProperty(options, async ({ direction, from, to, limit }) => {
        const versions = Array.from({ length: 60 }, (_, n) => n)
        const [low, high] = direction === 'forwards' ? [from, to] : [to, from]
        const between = versions.filter(n => n >= (low ?? 0) && n <= (high ?? 60))
        const expected = (direction === 'forwards' ? between : between.reverse()).slice(0, limit)
        const given = Object.fromEntries(
          Object.entries({ direction, from, to, limit }).filter(([, value]) => value !== undefined),
        ) as ReadEventsOptions
        const data = (events: StoredEvent[]) => events.map(event => event.data)
        expect(data(await store.load('a', given))).toEqual(expected)
        expect(data(await collect(store.read('a', given)))).toEqual(expected)
        expect(data(await store.transaction(tx => tx.load('a', given)))).toEqual(expected)
      }),
      { numRuns: 100 },
    )
  })

  it('reads all events by position in both directions, with filters', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const results = []
    for (let n = 0; n < 1200; n++) {
      results.push(store.append(`s-${n % 3}`, { type: n % 2 === 0 ? 'even' : 'odd', data: n }))
    }
    const appended = (await Promise.all(results)).map(({ position }, n) => ({ position, n }))
    appended.sort((a, b) => a.position - b.position)
    const all = await collect(store.readAll())
    expect(all.map(({ position, data }) => ({ position, n: data }))).toEqual(appended)
    expect((await collect(store.readAll({ direction: 'backwards' }))).reverse()).toEqual(all)
    const some = { streams: 's-1', types: ['odd'], from: all[100]!.position, to: all[110]!.position }
    const wanted = all.slice(100, 111).filter(({ streamId, type }) => streamId === 's-1' && type === 'odd')
    expect(await collect(store.readAll(some))).toEqual(wanted)
    expect(await collect(store.readAll({ limit: 2, direction: 'backwards' }))).toEqual([all[1199], all[1198]])
  })

  it('reads types whatever their names and the ids of their events look like', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const odd = ['a', '"', '\\', '\\"', '","type":"a",', 'é', '__proto__', 'a,"data"']
    const text = fc.oneof(fc.constantFrom(...odd), fc.string({ minLength: 1, maxLength: 8 }))
    const events = fc.uniqueArray(fc.record({ type: text, id: text }), { selector: ({ id }) => id, maxLength: 20 })
    let run = 0
    await fc.assert(
      fc.asyncProperty(events, fc.array(text, { maxLength: 4 }), async (list, types) => {
        const streams = `s-${run++}`
        await store.append(
          streams,
          list.map(event => ({ ...event, data: { type: 'a' } })),
        )
        const expected = list.filter(({ type }) => types.includes(type)).map(({ id }) => id)
        expect((await collect(store.readAll({ streams, types }))).map(({ id }) => id)).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  it('a deleted stream is gone, begins anew with its versions going on, and not at all after a tombstone', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const e = { type: 'e', data: 1 }
    await store.append('a', [e, e, e])
    await expect(store.deleteStream('a', { expectedVersion: 1 })).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
    await store.deleteStream('a', { expectedVersion: 2 })
    expect(await store.load('a')).toEqual([])
    await expect(store.append('a', e, { expectedVersion: 'stream-exists' })).rejects.toMatchObject({
      details: { actual: 'no-stream' },
    })
    expect((await store.append('a', e, { expectedVersion: 'no-stream' })).version).toBe(3)
    expect((await store.load('a')).map(event => event.version)).toEqual([3])
    await store.deleteStream('a', { tombstone: true })
    for (const expectedVersion of ['any', 'no-stream', 3] as const) {
      await expect(store.append('a', e, { expectedVersion })).rejects.toMatchObject({ code: 'STREAM_TOMBSTONED' })
    }
    await expect(store.transaction(tx => tx.append('a', e))).rejects.toMatchObject({ code: 'STREAM_TOMBSTONED' })
    expect((await store.append('b', e)).version).toBe(0)
  })

  it('truncated and retained streams show what is kept, in every way of reading', async () => {
    await using log = await open()
    const store = new EventStore(log)
    await store.append(
      'a',
      Array.from({ length: 10 }, (_, data) => ({ type: 'e', data })),
    )
    const seen = async () => {
      const forwards = (await store.load('a')).map(event => event.version)
      const backwards = (await collect(store.read('a', { direction: 'backwards' }))).map(event => event.version)
      expect(backwards.reverse()).toEqual(forwards)
      return forwards
    }
    await store.truncateStream('a', { before: 4 })
    expect(await seen()).toEqual([4, 5, 6, 7, 8, 9])
    await store.retainStream('a', { maxCount: 3 })
    expect(await seen()).toEqual([7, 8, 9])
    await store.append('a', { type: 'e', data: 10 })
    expect(await seen()).toEqual([8, 9, 10])
    // What was once left out stays so.
    await store.retainStream('a', { maxAge: 3_600_000 })
    expect(await seen()).toEqual([8, 9, 10])
    await expect(store.truncateStream('a', { before: 12 })).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  })

  it('lists the streams that have events, all or by prefix, with where they are', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const e = { type: 'e', data: 1 }
    expect(await collect(store.listStreams())).toEqual([])
    for (const id of ['order-2', 'order-1', 'order-', 'account-1', 'é', 'a\u0000']) await store.append(id, e)
    const { version, position } = await store.append('order-1', [e, e])
    await store.deleteStream('order-2')
    await store.truncateStream('order-', { before: 1 })
    const ids = async (streams?: string) => (await collect(store.listStreams(streams))).map(({ streamId }) => streamId)
    expect(await ids()).toEqual(['a\u0000', 'account-1', 'order-1', 'é'])
    expect(await ids('order-*')).toEqual(['order-1'])
    expect(await ids('order')).toEqual([])
    expect(await collect(store.listStreams('order-1'))).toMatchObject([{ streamId: 'order-1', version, position }])
    await store.append('order-2', e)
    expect(await ids('order-*')).toEqual(['order-1', 'order-2'])
    await expect(store.listStreams('').next()).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  })

  it('describes a stream: where it begins and ends, and how much of it is kept, in a transaction with what that has done', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const e = { type: 'e', data: 1 }
    const nothing = { streamId: 'a', version: -1, firstVersion: 0, tombstoned: false }
    expect(await store.describeStream('a')).toEqual(nothing)
    await store.append('a', [e, e, e, e])
    expect(await store.describeStream('a')).toEqual({ ...nothing, version: 3 })
    await store.truncateStream('a', { before: 1 })
    expect(await store.describeStream('a')).toEqual({ ...nothing, version: 3, firstVersion: 1 })
    const kept = { maxCount: 2, maxAge: 2_592_000_000 }
    await store.transaction(async tx => {
      await tx.retainStream('a', { maxCount: 2, maxAge: '30d' })
      expect(await tx.describeStream('a')).toEqual({ ...nothing, version: 3, firstVersion: 2, ...kept })
    })
    expect(await store.describeStream('a')).toEqual({ ...nothing, version: 3, firstVersion: 2, ...kept })
    await store.retainStream('a', {})
    await store.truncateStream('a', { before: 4 })
    expect(await store.describeStream('a')).toEqual({ ...nothing, version: 3, firstVersion: 4 })
    await store.deleteStream('a')
    expect(await store.describeStream('a')).toEqual({ ...nothing, firstVersion: 4 })
    await store.append('a', e, { expectedVersion: 'no-stream' })
    expect(await store.describeStream('a')).toEqual({ ...nothing, version: 4, firstVersion: 4 })
    await store.deleteStream('a', { tombstone: true })
    expect(await store.describeStream('a')).toEqual({ ...nothing, firstVersion: 5, tombstoned: true })
    await expect(store.retainStream('b', { maxAge: 'long' })).rejects.toMatchObject({ code: 'LOG_INVALID' })
    await expect(store.describeStream('a*')).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  })

  it('truncated, deleted and retained streams give back the space of their events', async () => {
    await using log = await open()
    if (!log.capabilities.truncation) return
    const store = new EventStore(log)
    const e = { type: 'e', data: 'x'.repeat(100) }
    const stored = async (id: string) => (await log.history('$events', Buffer.from(id))).length
    for (const id of ['truncated', 'deleted', 'retained', 'other']) {
      await store.append(
        id,
        Array.from({ length: 50 }, () => e),
      )
    }
    await store.truncateStream('truncated', { before: 40 })
    expect(await stored('truncated')).toBe(10)
    await store.truncateStream('truncated', { before: 50 })
    expect((await store.append('truncated', e, { expectedVersion: 49 })).version).toBe(50)
    await store.deleteStream('deleted')
    expect(await stored('deleted')).toBe(0)
    expect((await store.append('deleted', e, { expectedVersion: 'no-stream' })).version).toBe(50)
    await store.retainStream('retained', { maxCount: 5 })
    expect(await stored('retained')).toBe(5)
    for (let n = 0; n < 40; n++) await store.append('retained', e)
    expect(await stored('retained')).toBeLessThan(5 + 16)
    expect((await store.load('retained')).map(({ version }) => version)).toEqual([85, 86, 87, 88, 89])
  })
})
