import { expect, it } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { EventStore } from '../src/index.ts'

describeEachLog('events whose topic was deleted and made again', open => {
  it('are appended, although ids, ends and ways of keeping of streams are remembered of those before', async () => {
    await using log = await open()
    const event = { id: 'e-1', type: 'e', data: 1 }
    const before = new EventStore(log)
    await before.append('a', [event, { id: 'e-2', type: 'e', data: 2 }])
    await before.retainStream('a', { maxCount: 1 })
    await before.append('b', event)
    await before.deleteStream('b')
    await before.append('c', event)
    await before.deleteStream('c', { tombstone: true })
    await before.close()
    await log.deleteTopic('$events')

    const store = new EventStore(log)
    for (const stream of ['a', 'b', 'c']) {
      expect(await store.append(stream, [event, { id: 'e-2', type: 'e', data: 2 }])).toMatchObject({ version: 1 })
      expect((await store.load(stream)).map(({ version, data }) => [version, data])).toEqual([
        [0, 1],
        [1, 2],
      ])
      const description = await store.describeStream(stream)
      expect(description).toEqual({ streamId: stream, version: 1, firstVersion: 0, tombstoned: false })
      // And are known again.
      expect(await store.append(stream, [event, { id: 'e-2', type: 'e', data: 2 }])).toMatchObject({ version: 1 })
    }
  })
})
