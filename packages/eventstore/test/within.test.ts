import { expect, test } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { EventStore } from '../src/index.ts'

describeEachLog('events in transactions', open => {
  test('appends inside a transaction of the log: all or nothing, read back inside, numbered after the commit', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const failure = new Error('changed my mind')
    await expect(
      log.transaction(async tx => {
        await store.within(tx).append('a', { type: 'x', data: 0 })
        throw failure
      }),
    ).rejects.toBe(failure)
    expect(await store.load('a')).toEqual([])

    const receipts = await log.transaction(async tx => {
      const events = store.within(tx)
      const first = await events.append('a', { type: 'x', data: 1 }, { expectedVersion: 'no-stream' })
      expect(first.version).toBe(0)
      const second = await events.append('b', [{ type: 'y', data: 2 }])
      expect(() => second.version).toThrow(expect.objectContaining({ code: 'TRANSACTION_STATE' }))
      const third = await events.append('a', { type: 'x', data: 3 }, { expectedVersion: 0 })
      expect((await events.load('a')).map(event => event.data)).toEqual([1, 3])
      await expect(events.append('a', { type: 'x', data: 4 }, { expectedVersion: 'no-stream' })).rejects.toMatchObject({
        code: 'VERSION_CONFLICT',
        details: { streamId: 'a', expected: 'no-stream', actual: 1 },
      })
      return [first, second, third]
    })
    const stored = [...(await store.load('a')), ...(await store.load('b'))]
    expect(receipts.map(({ streamId, version, position, ids }) => [streamId, version, position, ids])).toEqual(
      [stored[0]!, stored[2]!, stored[1]!].map(event => [event.streamId, event.version, event.position, [event.id]]),
    )
  })
})
