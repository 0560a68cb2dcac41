import { describe, expect, it } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { type EventInput, EventStore } from '../src/index.ts'
import { startProjections } from '../src/projections/index.ts'
import { startWorkflows } from '../src/workflows/index.ts'
import { eventsOf } from './given.ts'

const ids = [
  '$events',
  '$',
  '/',
  '../x',
  '__proto__',
  'constructor',
  '\u0000',
  '\u0000\u0000a',
  'a\u0000',
  'a',
  'ab',
  ' ',
  'é',
  'e\u0301',
  '日本語',
  '😀',
  'k'.repeat(1000),
  '語'.repeat(1000),
]

describeEachLog('hostile events', open => {
  it('stream ids that mean something elsewhere are only names, and none is taken for another', async () => {
    const store = new EventStore(await open())
    await Promise.all(ids.map(id => store.append(id, { type: id, data: { id } }, { expectedVersion: 'no-stream' })))
    for (const id of ids) {
      expect((await store.load(id)).map(({ streamId, type, data }) => [streamId, type, data.id])).toEqual([
        [id, id, id],
      ])
      const [event, ...others] = await eventsOf(store, id)
      expect([event!.streamId, others]).toEqual([id, []])
    }
    const prefixed = await eventsOf(store, 'a*')
    // Appended at once: in some order.
    const found = prefixed.filter(({ type }) => type !== 'end').map(event => event.streamId)
    expect(found.sort()).toEqual(['a', 'a\u0000', 'ab'])
  })

  it('data that means something elsewhere is only data', async () => {
    const store = new EventStore(await open())
    const text = '{"__proto__":{"polluted":true},"constructor":1,"then":2,"\\ud800":"\\udfff"}'
    await store.append('a', { type: '__proto__', data: JSON.parse(text), metadata: JSON.parse(text) })
    const [event] = await store.load('a')
    expect(JSON.stringify(event!.data)).toBe(text)
    expect(JSON.stringify(event!.metadata)).toBe(text)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('events of 1 MB are stored, larger ones refused by code, also with good ones beside them', async () => {
    const log = await open()
    const store = new EventStore(log)
    const data = 'x'.repeat(1_000_000)
    await Promise.all(['a', 'b', 'c'].map(id => store.append(id, [{ type: 'x', data }])))
    const two = [
      { type: 'small', data: 1 },
      { type: 'x', data: data + data },
    ]
    await expect(store.append('a', two)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    expect((await store.load('a')).map(event => event.data.length)).toEqual([data.length])
    // A cluster takes a thousand messages of any size at once.
    if (log.capabilities.shared) return
    const many = Array.from({ length: 20 }, () => ({ type: 'x', data }))
    await expect(store.transaction(tx => tx.append('d', many))).rejects.toMatchObject({ code: 'TRANSACTION_TOO_LARGE' })
    expect(await store.load('d')).toEqual([])
  })

  it('what something else has written among the events is an error that says where, and ends up with the dead letters of a group', async () => {
    const log = await open()
    const store = new EventStore(log)
    await store.append('a', { type: 'good', data: 1 })
    for (const value of ['not json', 'null', '5', '[]', '{}', '{"id":"1","type":7}', '{"type":"x"}', null])
      await log.append('$events', { key: 'a', value })
    await store.append('a', { type: 'good', data: 2 })
    await expect(store.load('a')).rejects.toMatchObject({
      code: expect.stringMatching(/EVENT_INVALID|PAYLOAD_INVALID/),
    })
    for (let version = 1; version < 9; version++) {
      const code = version === 1 ? 'PAYLOAD_INVALID' : 'EVENT_INVALID'
      await expect(store.load('a', { from: version, to: version })).rejects.toMatchObject({ code })
    }
    const good: number[] = []
    const subscription = await store.subscribe('*', { groupId: 'g' })
    await subscription.run(({ data }) => {
      good.push(data)
      if (data === 2) void subscription.close()
    })
    expect(good).toEqual([1, 2])
    expect((await log.read('$events.dead', 0, { from: 0 })).records).toHaveLength(8)
  })
})

describe('refused with EVENT_INVALID, and nothing is written', () => {
  it.each(['', 'a*', '*', '\ud800', 'x'.repeat(4001), undefined, 1])('the stream id %j', async id => {
    await using store = await EventStore.open({ memory: true })
    await expect(store.append(id as string, [])).rejects.toMatchObject({ code: 'EVENT_INVALID' })
    await expect(store.load(id as string)).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  })

  it.each([
    ['no event', undefined],
    ['no type', { data: 1 }],
    ['an empty type', { type: '', data: 1 }],
    ['no data', { type: 'x' }],
    ['a bigint', { type: 'x', data: 1n }],
    ['the event of the DOM', new globalThis.Event('x')],
    ['metadata that is no object', { type: 'x', data: 1, metadata: 'text' }],
  ])('an event with %s', async (_, event) => {
    await using store = await EventStore.open({ memory: true })
    const events = [{ type: 'good', data: 1 }, event as EventInput]
    await expect(store.append('a', events)).rejects.toMatchObject({ code: 'EVENT_INVALID' })
    expect(await store.load('a')).toEqual([])
  })

  it.each(['latest', -2, 1.5, null])('the expected version %j', async expectedVersion => {
    await using store = await EventStore.open({ memory: true })
    const append = store.append('a', { type: 'x', data: 1 }, { expectedVersion: expectedVersion as number })
    await expect(append).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  })
})

describe('refused when they are given, not when the first event comes', () => {
  const nothing = (): void => undefined
  const refused: [string, (store: EventStore) => unknown][] = [
    ['a place to start that is none', store => store.subscribe('*', { from: null as never })],
    ['a position that is none', store => store.subscribe('*', { from: { position: Number.NaN } })],
    ['no options of a member', store => store.consume('*', undefined as never, nothing)],
    ['a concurrency of nothing', store => store.consume('*', { groupId: 'g', concurrency: 0 }, nothing)],
    ['an unknown option', store => store.consume('*', { groupId: 'g', wrong: 1 } as never, nothing)],
    ['no handler', store => store.consume('*', { groupId: 'g' }, undefined as never)],
    ['what a subscription refuses', store => store.consume('*', { groupId: 'g', maxAttempts: 0 }, nothing)],
    ['a pattern that is none', store => store.consume('a*b', { groupId: 'g' }, nothing)],
    ['no group to be given back to', store => store.redrive(undefined as never)],
    ['a projection without apply', store => startProjections(store, [{ name: 'x' } as never])],
    ['an inline one', async () => EventStore.open({ memory: true, projections: [{ name: 'x' } as never] })],
    ['a workflow without decide', store => startWorkflows(store, [{ name: 'x' } as never])],
  ]
  it.each(refused)('%s', async (_, give) => {
    await using store = await EventStore.open({ memory: true })
    await expect(give(store)).rejects.toMatchObject({
      code: expect.stringMatching(/^(EVENT_INVALID|SUBSCRIPTION_INVALID)$/),
    })
  })
})
