import type { Untyped } from '@aegis/log'
import { connectLog } from '@aegis/log-jetstream'
import { expect, it, onTestFinished } from 'vitest'
import { describeEachLog } from '../../../../tooling/test/each-log.ts'
import { describeWithServer, givenServer } from '../../../../tooling/test/with-nats-server.ts'
import { EventStore } from '../../src/index.ts'
import { type AsyncProjection, inline, readModel, rebuildInline } from '../../src/projections/index.ts'

// What the events before have made of it decides what becomes of an event: an order that is not kept shows.
const chain: AsyncProjection = {
  name: 'chain',
  streams: 'account-*',
  async apply({ streamId, data }, model) {
    model.put(streamId, (((await model.get(streamId)) ?? 7) * 31 + data) % 1_000_003)
  },
}

const chained = (data: readonly number[]): number => data.reduce((before, n) => (before * 31 + n) % 1_000_003, 7)

describeEachLog('an inline projection with a read model', open => {
  it('is rebuilt from all that is stored, while appends go on, and has each of them once and in order', async () => {
    const log = await open()
    await new EventStore(log).append('account-0', [
      { type: 'e', data: 1 },
      { type: 'e', data: 2 },
    ])
    const store = new EventStore(log, { projections: [inline(chain)] })
    await store.append('account-0', { type: 'e', data: 3 })
    const of = async (streamId: string): Promise<number | undefined> =>
      (await readModel(store, chain)).get(streamId) as Promise<number | undefined>
    // It began when it was given to the store.
    expect(await of('account-0')).toBe(chained([3]))
    let rebuilt = false
    const writing = [0, 1, 2].map(async writer => {
      for (let n = 0; !rebuilt; n++) {
        await store.append(`account-${writer}`, [
          { type: 'e', data: n },
          { type: 'e', data: writer },
        ])
        await store.append(`other-${writer}`, { type: 'e', data: n })
      }
    })
    const progress: number[] = []
    for (let round = 0; round < 3; round++)
      await rebuildInline(store, chain, { onProgress: ({ position }) => progress.push(position) })
    rebuilt = true
    await Promise.all(writing)
    for (const streamId of ['account-0', 'account-1', 'account-2'])
      expect(await of(streamId)).toBe(chained((await store.load(streamId)).map(({ data }) => data)))
    expect(progress.length).toBeGreaterThan(0)
    await store.append('account-0', { type: 'e', data: 9 })
    expect(await of('account-0')).toBe(chained((await store.load('account-0')).map(({ data }) => data)))
  })

  it('is empty when the events were deleted and made again, and has those that come then, whether they come or it is rebuilt first', async () => {
    const log = await open()
    const other: AsyncProjection = { ...chain, name: 'other' }
    const options = { projections: [inline(chain), inline(other)] }
    const before = new EventStore(log, options)
    await before.append(
      'account-0',
      [1, 2].map(data => ({ type: 'e', data })),
    )
    await rebuildInline(before, chain)
    await before.append('account-0', { type: 'e', data: 3 })
    await before.close()
    await log.deleteTopic('$events')

    const store = new EventStore(log, options)
    const of = async (projection: AsyncProjection, streamId: string): Promise<unknown> =>
      (await readModel(store, projection)).get(streamId)
    for (const projection of [chain, other]) expect(await of(projection, 'account-0')).toBeUndefined()
    await rebuildInline(store, other)
    await store.append('account-1', { type: 'e', data: 4 })
    for (const projection of [chain, other]) {
      expect(await of(projection, 'account-0')).toBeUndefined()
      expect(await of(projection, 'account-1')).toBe(chained([4]))
    }
    // The documents of before are gone from the log as well.
    await rebuildInline(store, chain)
    await rebuildInline(store, chain)
    expect(await of(chain, 'account-1')).toBe(chained([4]))
    const left = []
    for (let build = 1; build < 9; build++)
      for await (const [key] of log.scanState(`$projection.${build}.chain`)) left.push(Buffer.from(key).toString())
    expect(left).not.toContain('account-0')
  })

  it('is refused a rebuild by what it cannot apply, and stays as it was; repaired, it is built anew', async () => {
    const log = await open()
    let broken = true
    const careful: AsyncProjection = {
      ...chain,
      apply(event, model, tx) {
        if (broken && event.data === 13) throw new Error('thirteen')
        return chain.apply(event, model, tx)
      },
    }
    await new EventStore(log).append(
      'account-0',
      [5, 13, 6].map(data => ({ type: 'e', data })),
    )
    const store = new EventStore(log, { projections: [inline(careful)] })
    await expect(store.append('account-0', { type: 'e', data: 13 })).rejects.toThrow('thirteen')
    await store.append('account-0', { type: 'e', data: 7 })
    const value = async (): Promise<Untyped> => (await readModel(store, careful)).get('account-0')
    await expect(rebuildInline(store, careful)).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_FAILED' })
    expect(await value()).toBe(chained([7]))
    await store.append('account-0', { type: 'e', data: 8 })
    broken = false
    await rebuildInline(store, careful)
    expect(await value()).toBe(chained([5, 13, 6, 7, 8]))
    await store.append('account-0', { type: 'e', data: 13 })
    expect(await value()).toBe(chained([5, 13, 6, 7, 8, 13]))
  })
})

describeWithServer(
  'an inline projection of two processes',
  () => {
    const server = givenServer()

    it('that both rebuild at once, and both append to, has each event once and in order', async () => {
      const domain = server.domain()
      const [one, other] = await Promise.all([1, 2].map(() => connectLog({ url: server.url, domain })))
      onTestFinished(() => Promise.all([one!.close(), other!.close()]).then(() => undefined))
      const stores = [one!, other!].map(log => new EventStore(log, { projections: [inline(chain)] }))
      await stores[0]!.append('account-0', { type: 'e', data: 1 })
      let rebuilt = false
      const writing = stores.map(async (store, at) => {
        for (let n = 0; !rebuilt; n++) await store.append(`account-${at}`, { type: 'e', data: n })
      })
      for (let round = 0; round < 3; round++) await Promise.all(stores.map(store => rebuildInline(store, chain)))
      rebuilt = true
      await Promise.all(writing)
      // Nothing comes that would tell the slower one.
      await Promise.all(stores.map(store => rebuildInline(store, chain)))
      for (const streamId of ['account-0', 'account-1'])
        expect(await (await readModel(stores[0]!, chain)).get(streamId)).toBe(
          chained((await stores[0]!.load(streamId)).map(({ data }) => data)),
        )
    })
  },
  '2.12.0',
)
