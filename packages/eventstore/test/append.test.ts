import { describe, expect, it } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { Event, EventStore } from '../src/index.ts'
import { checkOrder, eventsOf } from './given.ts'

const e = (data: unknown) => new Event('e', data)

describeEachLog('appending events', open => {
  describe('expected versions', () => {
    it('are checked as they say, and a conflict names stream, expected and actual', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const append = (expectedVersion: 'any' | 'no-stream' | 'stream-exists' | number) =>
        store.append('a', e(0), { expectedVersion }).then(
          ({ version }) => version,
          error => [error.code, error.details.streamId, error.details.expected, error.details.actual],
        )
      const conflict = (expected: unknown, actual: unknown) => ['VERSION_CONFLICT', 'a', expected, actual]
      expect(await append('stream-exists')).toEqual(conflict('stream-exists', 'no-stream'))
      expect(await append(0)).toEqual(conflict(0, 'no-stream'))
      expect(await append(-1)).toBe(0)
      expect(await append('no-stream')).toEqual(conflict('no-stream', 0))
      expect(await append(-1)).toEqual(conflict('no-stream', 0))
      expect(await append(0)).toBe(1)
      expect(await append('stream-exists')).toBe(2)
      expect(await append('any')).toBe(3)
      expect(await append(2)).toEqual(conflict(2, 3))
      expect(await append(4)).toEqual(conflict(4, 3))
    })

    it('of an append without events are checked too, and nothing is written', async () => {
      await using log = await open()
      const store = new EventStore(log)
      expect(await store.append('a', [], { expectedVersion: 'no-stream' })).toEqual({
        streamId: 'a',
        version: -1,
        position: -1,
        ids: [],
      })
      await store.append('a', [e(1), e(2)])
      expect((await store.append('a', [], { expectedVersion: 1 })).version).toBe(1)
      await expect(store.append('a', [], { expectedVersion: 0 })).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
      expect(await store.load('a')).toHaveLength(2)
    })

    it('of many appends at once, exactly one wins; the others conflict, inside transactions or not', async () => {
      await using log = await open()
      const store = new EventStore(log)
      for (let round = 0; round < 5; round++) {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 30 }, (_, n) =>
            n % 2 === 0
              ? store.append('a', e(n), { expectedVersion: round - 1 })
              : store.transaction(tx => tx.append('a', e(n), { expectedVersion: round - 1 })),
          ),
        )
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') expect(outcome.reason.code).toBe('VERSION_CONFLICT')
        }
      }
      expect((await store.load('a')).map(event => event.version)).toEqual([0, 1, 2, 3, 4])
    })
  })

  it('appends that expect nothing never conflict, in whatever mixture: versions are dense, positions rise', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const results = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const stream = `s-${n % 3}`
        if (n % 4 > 0) return store.append(stream, [e(n), e(n)])
        return store.transaction(tx => tx.append(stream, [e(n), e(n)]), { retries: 0 })
      }),
    )
    const events = await eventsOf(store, 's-*')
    expect(events).toHaveLength(400)
    checkOrder(events)
    for (const { streamId, version, position, ids } of results) {
      const pair = events.filter(event => event.streamId === streamId).slice(version - 1, version + 1)
      expect(pair.map(event => event.id)).toEqual(ids)
      expect(pair[1]!.position).toBe(position)
      expect(pair[0]!.data).toBe(pair[1]!.data)
    }
  })

  it('keeps metadata of the event and of the append', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const options = { correlationId: 'c', causationId: 'b' }
    await store.append('a', [new Event('x', 1, { user: 'Ada' }), { type: 'y', data: { deep: [null] } }], options)
    expect((await store.load('a')).map(({ type, data, metadata }) => [type, data, metadata])).toEqual([
      ['x', 1, { user: 'Ada', correlationId: 'c', causationId: 'b' }],
      ['y', { deep: [null] }, { correlationId: 'c', causationId: 'b' }],
    ])
  })
})
