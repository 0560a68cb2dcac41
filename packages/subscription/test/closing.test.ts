import { openLog } from '@aegis/log'
import { describe, expect, it } from 'vitest'
import { deferred, publish, subscribe } from './items.ts'

const earliest = { groupId: 'g', from: 'earliest', backoff: 0 } as const
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  describe(`closing in a handler, ${delivery}`, () => {
    for (const awaits of [0, 1, 3]) {
      it(`does not wait for the handler itself, after ${awaits} awaits`, async () => {
        await using log = await openLog({ memory: true })
        await log.createTopic('t')
        await publish(log, ...'abc')
        const subscription = await subscribe(log, { ...earliest, delivery })
        const close = async (): Promise<void> => {
          await subscription.close()
        }
        await subscription.run(async () => {
          for (let at = 0; at < awaits; at++) await turn()
          await close()
        })
        // What its handler has done is acknowledged.
        expect((await log.committed('g', 't', 0))?.offset).toBe(1)
        expect((await log.describeGroup('g', 't')).members).toBe(0)
      })
    }
  })
}

describe('closing', () => {
  it('in a handler waits for the others', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'closing', 'slow')
    const subscription = await subscribe(log, earliest)
    const [begun, go] = [deferred<void>(), deferred<void>()]
    const ended: string[] = []
    const running = subscription.run(
      async ({ text }) => {
        if (text === 'slow') {
          begun.resolve()
          await go.promise
        } else {
          await begun.promise
          await subscription.close()
        }
        ended.push(text)
      },
      { concurrency: 2 },
    )
    await begun.promise
    await turn()
    expect(ended).toEqual([])
    go.resolve()
    await running
    expect(ended).toEqual(['slow', 'closing'])
    expect((await log.committed('g', 't', 0))?.offset).toBe(2)
  })

  it('from a handler of another subscription waits for the handlers of this one', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a')
    const [closed, closing] = [await subscribe(log, earliest), await subscribe(log, { ...earliest, groupId: 'h' })]
    const [begun, go] = [deferred<void>(), deferred<void>()]
    const order: string[] = []
    const running = closed.run(async () => {
      begun.resolve()
      await go.promise
      order.push('handled')
    })
    await begun.promise
    await closing.run(async () => {
      const done = closed.close().then(() => order.push('closed'))
      await turn()
      go.resolve()
      await done
      void closing.close()
    })
    await running
    expect(order).toEqual(['handled', 'closed'])
  })
})
