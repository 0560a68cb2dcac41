import { expect, it } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { EventStore } from '../src/index.ts'

const e = (id: string, data: unknown = id) => ({ id, type: 'e', data })

describeEachLog('ids of events', open => {
  it('an append that is repeated gives the first result, whatever was expected and appended since', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const first = await store.append('a', [e('1'), e('2')], { expectedVersion: 'no-stream' })
    await store.append('a', { type: 'e', data: 'between' })
    for (const expectedVersion of ['no-stream', 'any', 7] as const) {
      expect(await store.append('a', [e('1'), e('2')], { expectedVersion })).toEqual(first)
    }
    expect((await store.append('b', e('1'))).version).toBe(0)
    expect((await store.load('a')).map(event => event.data)).toEqual(['1', '2', 'between'])
  })

  it('of many repetitions at once one appends, and all have its result', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        n % 2 === 0 ? store.append('a', e('1')) : store.transaction(tx => tx.append('a', e('1')), { retries: 100 }),
      ),
    )
    expect(new Set(results.map(({ version, position }) => `${version} ${position}`)).size).toBe(1)
    expect(await store.load('a')).toHaveLength(1)
  })

  it('half a repetition, another order, and ids for some events only are refused', async () => {
    await using log = await open()
    const store = new EventStore(log)
    await store.append('a', [e('1'), e('2')])
    for (const events of [
      [e('2'), e('3')],
      [e('2'), e('1')],
    ]) {
      await expect(store.append('a', events)).rejects.toMatchObject({ code: 'EVENT_ID_USED' })
    }
    for (const events of [[e('3'), { type: 'e', data: 1 }], [e('3'), e('3')], [e('')]]) {
      await expect(store.append('a', events)).rejects.toMatchObject({ code: 'EVENT_INVALID' })
    }
    expect(await store.load('a')).toHaveLength(2)
  })
})
