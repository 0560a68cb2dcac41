import { openLog } from '@aegis/log'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deferred, subscribe } from './items.ts'

const record = (text: string, key: string | null, partition: number) => ({
  value: Buffer.from(text),
  key: key === null ? null : Buffer.from(key),
  partition,
})
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

describe('handlers side by side', () => {
  it('are never more than so many, and so many when there is work', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await log.append(
      't',
      Array.from({ length: 20 }, (_, at) => record('x', String(at), 0)),
    )
    const subscription = await subscribe(log, { from: 'earliest' })
    const full = deferred<void>()
    let [active, most, done] = [0, 0, 0]
    await subscription.run(
      async () => {
        most = Math.max(most, ++active)
        if (active === 4) full.resolve()
        await full.promise
        active--
        if (++done === 20) void subscription.close()
      },
      { concurrency: 4 },
    )
    expect(most).toBe(4)
  })

  it('do not wait for a key that is slow or tried again', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await log.append('t', [
      record('a1', 'a', 0),
      record('a2', 'a', 0),
      ...Array.from({ length: 50 }, (_, at) => record(`b${at}`, 'b', 0)),
    ])
    const subscription = await subscribe(log, { from: 'earliest', groupId: 'g', backoff: 0 })
    const others = deferred<void>()
    const seen: string[] = []
    await subscription.run(
      async ({ text, attempts }) => {
        if (text === 'a1' && attempts === 1) {
          await others.promise
          throw new Error('again')
        }
        seen.push(text)
        if (text === 'b49') others.resolve()
        if (text === 'a2') void subscription.close()
      },
      { concurrency: 2 },
    )
    expect(seen.slice(-2)).toEqual(['a1', 'a2'])
    expect(seen).toHaveLength(52)
  })

  it('end before the subscription is closed, and what they have done is acknowledged', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await log.append('t', [record('a', null, 0), record('b', null, 0)])
    const subscription = await subscribe(log, { from: 'earliest', groupId: 'g' })
    const [begun, go] = [deferred<void>(), deferred<void>()]
    const running = subscription.run(async () => {
      begun.resolve()
      await go.promise
    })
    await begun.promise
    const closed = subscription.close()
    go.resolve()
    await closed
    expect((await log.committed('g', 't', 0))?.offset).toBe(1)
    await running
  })

  for (const order of ['key', 'partition', 'none'] as const) {
    it(`handle each message once, whatever the order, and keep that of ${order}`, { timeout: 60_000 }, async () => {
      const message = fc.record({
        key: fc.constantFrom('a', 'b', 'c', null),
        partition: fc.nat(1),
        turns: fc.nat(3),
        failures: fc.constantFrom(0, 0, 0, 1, 2),
      })
      await fc.assert(
        fc.asyncProperty(
          fc.array(message, { minLength: 1, maxLength: 30 }),
          fc.integer({ min: 1, max: 5 }),
          async (messages, concurrency) => {
            await using log = await openLog({ memory: true })
            await log.createTopic('t', { partitions: 2 })
            await log.append(
              't',
              messages.map(({ key, partition }, at) => record(String(at), key, partition)),
            )
            const subscription = await subscribe(log, { from: 'earliest', groupId: 'g', backoff: 0 })
            const done: number[] = []
            await subscription.run(
              async ({ text, attempts }) => {
                const at = Number(text)
                await turns(messages[at]!.turns)
                if (attempts <= messages[at]!.failures) throw new Error('again')
                if (done.push(at) === messages.length) void subscription.close()
              },
              { concurrency, order },
            )
            expect([...done].sort((a, b) => a - b)).toEqual(messages.map((_, at) => at))
            const laneOf = (at: number): string | undefined => {
              const { key, partition } = messages[at]!
              if (order === 'partition') return String(partition)
              return order === 'none' || key === null ? undefined : `${partition}${key}`
            }
            for (const lane of new Set(done.map(laneOf))) {
              if (lane === undefined) continue
              const inLane = done.filter(at => laneOf(at) === lane)
              expect(inLane).toEqual([...inLane].sort((a, b) => a - b))
            }
            expect((await log.lag('g', 't')).map(({ lag }) => lag)).toEqual([0, 0])
          },
        ),
        { numRuns: 40 },
      )
    })
  }

  it('under at-most-once lose nothing that has not begun, when the subscription is closed, and begin nothing twice', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const all = Array.from({ length: 30 }, (_, at) => record(`${at % 3}/${at}`, String(at % 3), 0))
    await log.append('t', all)
    const begun: string[] = []
    while (begun.length < all.length) {
      const subscription = await subscribe(log, { from: 'earliest', groupId: 'g', delivery: 'at-most-once' })
      const count = begun.length + 4
      await subscription.run(
        async ({ text }) => {
          begun.push(text)
          // Those of one key wait for one another.
          await turns(text.startsWith('0/') ? 5 : 1)
          if (begun.length >= count || begun.length === all.length) void subscription.close()
        },
        { concurrency: 3 },
      )
    }
    expect(begun.toSorted()).toEqual(all.map(({ value }) => String(value)).toSorted())
  })

  it('find work behind 5,000 messages of a key that is slow', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await log.append(
      't',
      Array.from({ length: 5000 }, () => record('slow', 'slow', 0)),
    )
    await log.append('t', record('quick', 'quick', 0))
    const subscription = await subscribe(log, { from: 'earliest', groupId: 'g' })
    const found = deferred<void>()
    const begun: string[] = []
    const running = subscription.run(
      async ({ text }) => {
        begun.push(text)
        if (text === 'quick') found.resolve()
        await found.promise
        void subscription.close()
      },
      { concurrency: 2 },
    )
    await running
    expect(begun).toEqual(['slow', 'quick'])
  })
})
