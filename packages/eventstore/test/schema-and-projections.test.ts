import { describe, expect, it } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { type Downcaster, EventStore, type Projection, type StoredEvent, type Upcaster } from '../src/index.ts'

describeEachLog('schemas and inline projections', open => {
  it('events of older schemas are read as of the newest, renamed ones too, in every way of reading', async () => {
    await using log = await open()
    await new EventStore(log).append('a', { type: 'Named', data: { name: 'Ada Lovelace' } })
    const split = {
      type: 'Named',
      upcast: ({ data }: { data: { name: string } }) => ({ data: { names: data.name.split(' ') } }),
    }
    await new EventStore(log, { upcasters: [split] }).append('a', { type: 'Named', data: { names: ['Grace'] } })
    const rename = { type: 'Named', from: 1, upcast: () => ({ type: 'PersonNamed' }) }
    const store = new EventStore(log, { upcasters: [split, rename] })
    const expected = [
      ['PersonNamed', { names: ['Ada', 'Lovelace'] }],
      ['PersonNamed', { names: ['Grace'] }],
    ]
    expect((await store.load('a')).map(({ type, data }) => [type, data])).toEqual(expected)
    const seen: unknown[] = []
    for await (const { type, data } of await store.subscribe('a', { types: ['PersonNamed'] })) {
      if (seen.push([type, data]) === 2) break
    }
    expect(seen).toEqual(expected)
    expect(() => new EventStore(log, { upcasters: [split, split] })).toThrow(
      expect.objectContaining({ code: 'EVENT_INVALID' }),
    )
  })

  it('events are stored for older programs by downcasters, chained and renamed, and read here as they were appended', async () => {
    await using log = await open()
    const upcasters: Upcaster[] = [
      { type: 'Named', upcast: ({ data }) => ({ data: { names: data.name.split(' ') } }) },
      { type: 'Named', from: 1, upcast: () => ({ type: 'PersonNamed' }) },
    ]
    const downcasters: Downcaster[] = [
      { type: 'PersonNamed', from: 0, to: 1, downcast: () => ({ type: 'Named' }) },
      { type: 'Named', from: 1, downcast: ({ data }) => ({ data: { name: data.names.join(' ') } }) },
    ]
    const store = new EventStore(log, { upcasters, downcasters })
    const event = { type: 'PersonNamed', data: { names: ['Ada', 'Lovelace'] }, metadata: { user: 'x' } }
    await store.append('a', event)
    expect((await store.load('a'))[0]).toMatchObject(event)
    expect((await new EventStore(log).load('a'))[0]).toMatchObject({
      type: 'Named',
      data: { name: 'Ada Lovelace' },
      metadata: { user: 'x' },
    })
    for (const wrong of [{}, { from: 0 }, { from: 1, to: -1 }, { from: 1.5 }]) {
      expect(() => new EventStore(log, { downcasters: [{ type: 'x', ...wrong, downcast: () => ({}) }] })).toThrow(
        expect.objectContaining({ code: 'EVENT_INVALID' }),
      )
    }
  })

  it('changes of schemas that lead in a circle are an error, not an endless loop', async () => {
    await using log = await open()
    const downcasters = [
      { type: 'a', from: 0, to: 0, downcast: () => ({ type: 'b' }) },
      { type: 'b', from: 0, to: 0, downcast: () => ({ type: 'a' }) },
    ]
    const store = new EventStore(log, { downcasters })
    await expect(store.append('s', { type: 'a', data: 1 })).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  })

  describe('events of unknown types', () => {
    const written = ['Known', 'Other', 'Known', 'Other'].map((type, data) => ({ type, data }))
    const everywhere = async (store: EventStore) => {
      const all: StoredEvent[][] = [await store.load('a'), [], [], [], []]
      for await (const event of store.read('a')) all[1]!.push(event)
      for await (const event of store.readAll()) all[2]!.push(event)
      for await (const event of store.read('a', { direction: 'backwards' })) all[3]!.unshift(event)
      await store.append('b', { type: 'Known', data: 'end' })
      for await (const event of await store.subscribe('*')) {
        if (event.data === 'end') break
        all[4]!.push(event)
      }
      return all.map(events => events.map(event => event.data))
    }

    it('are left out when told so; versions and states count them', async () => {
      await using log = await open()
      await new EventStore(log).append('a', written)
      const store = new EventStore(log, { types: ['Known'], unknownTypes: 'skip' })
      expect(await everywhere(store)).toEqual(Array.from({ length: 5 }, () => [0, 2]))
      const counter = store.commandHandler({
        initialState: () => 0,
        evolve: count => count + 1,
        decide: (_: 'one') => ({ type: 'Known', data: 1 }),
      })
      expect(await counter.load('a')).toEqual({ state: 2, version: 3 })
      expect(await counter.handle('a', 'one')).toMatchObject({ state: 3, version: 4 })
    })

    it('are an error when told so, unless they are not asked for', async () => {
      await using log = await open()
      await new EventStore(log).append('a', written)
      const store = new EventStore(log, { types: ['Known'], unknownTypes: 'throw' })
      const unknown = { code: 'EVENT_TYPE_UNKNOWN', details: { streamId: 'a', version: 1, type: 'Other' } }
      await expect(store.load('a')).rejects.toMatchObject(unknown)
      await expect(everywhere(store)).rejects.toMatchObject(unknown)
      const seen: unknown[] = []
      for await (const event of store.readAll({ types: ['Known'] })) seen.push(event.data)
      expect(seen).toEqual([0, 2])
      await expect((await store.subscribe('a'))[Symbol.asyncIterator]().next()).resolves.toMatchObject({
        value: { data: 0 },
      })
    })

    it('are given like others by default, and the choice needs a list', async () => {
      await using log = await open()
      await new EventStore(log).append('a', written)
      expect(await everywhere(new EventStore(log, { types: ['Known'] }))).toEqual(
        Array.from({ length: 5 }, () => [0, 1, 2, 3]),
      )
      for (const wrong of [{ unknownTypes: 'skip' }, { types: [1], unknownTypes: 'skip' }, { unknownTypes: 'drop' }]) {
        expect(() => new EventStore(log, wrong as never)).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }))
      }
    })
  })

  it('an inline projection is in the commit of the append, sees versions, and refuses it by throwing', async () => {
    await using log = await open()
    const key = Buffer.from('sum')
    const sum: Projection = {
      name: 'sum',
      streams: 'account-*',
      types: ['Deposited'],
      async apply({ data, version, streamId }, tx) {
        if (data < 0) throw new Error('no')
        const before = Number(Buffer.from((await tx.getState('read', key)) ?? '0').toString())
        tx.putState('read', key, Buffer.from(String(before + data)))
        tx.putState('read', Buffer.from(streamId), Buffer.from(String(version)))
      },
    }
    const store = new EventStore(log, { projections: [sum] })
    const deposit = (data: number) => ({ type: 'Deposited', data })
    await Promise.all(Array.from({ length: 20 }, (_, n) => store.append(`account-${n % 2}`, [deposit(n), deposit(1)])))
    await store.append('other', deposit(1000))
    await store.append('account-0', { type: 'Closed', data: 5000 })
    await expect(store.append('account-0', deposit(-1))).rejects.toThrow('no')
    const read = async (name: string) => Buffer.from((await log.getState('read', Buffer.from(name)))!).toString()
    expect(await read('sum')).toBe('210')
    expect(await read('account-1')).toBe('19')
    expect(await store.load('account-0')).toHaveLength(21)
  })
})
