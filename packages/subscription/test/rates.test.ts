import { type Log, openLog } from '@aegis/log'
import { describe, expect, it, onTestFinished } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import type { Delivery, RunOptions, Subscription, SubscriptionOptions } from '../src/index.ts'
import { deferred, type Item, subscribe } from './items.ts'

const earliest = { groupId: 'g', from: 'earliest', backoff: 0 } as const
const some = (count: number, key: string | null, first = 0) =>
  Array.from({ length: count }, (_, at) => ({
    value: Buffer.from(`${key} ${first + at}`),
    key: key === null ? null : Buffer.from(key),
  }))

/** When each of the handlers has begun, by the clock of the log. */
interface Begun {
  readonly text: string
  readonly key: string | null
  readonly attempts: number
  readonly at: number
}

/**
 * What the clock of the log has said last: whoever begins has just been told it. To read it again may be later, when the machine is
 * busy or a millisecond is over in between.
 */
function lastReading(log: Log): () => number {
  const now = log.now.bind(log)
  let last = now()
  log.now = () => {
    last = now()
    return last
  }
  return () => last
}

/** Runs until so many have begun. */
async function runFor(
  log: Log,
  subscription: Subscription<Item>,
  count: number,
  options: RunOptions,
  act: (item: Item) => Promise<void> | void = () => undefined,
): Promise<Begun[]> {
  const begun: Begun[] = []
  const now = lastReading(log)
  await subscription.run(item => {
    const { text, key, attempts } = item
    begun.push({ text, key, attempts, at: now() })
    if (begun.length === count) void subscription.close()
    return act(item)
  }, options)
  return begun
}

function expectRate(begun: readonly Begun[], limit: number, per: number): void {
  const times = begun.map(({ at }) => at)
  for (let at = limit; at < times.length; at++) {
    expect(times[at]! - times[at - limit]!, `${limit + 1} from ${at - limit} on`).toBeGreaterThanOrEqual(per)
  }
}

type Mode = SubscriptionOptions & RunOptions

function keepsRates(modes: readonly Mode[], open: () => Promise<Log>): void {
  for (const { order, ...options } of modes) {
    const run: RunOptions = { concurrency: 10, ...(order !== undefined && { order }) }
    it(`of all together, with ${JSON.stringify({ order, ...options })}`, async () => {
      const log = await open()
      await log.createTopic('t', { partitions: 2 })
      await log.append('t', [...some(6, 'a'), ...some(6, 'b'), ...some(2, null)])
      const subscription = await subscribe(log, { ...earliest, ...options })
      const begun = await runFor(log, subscription, 14, { ...run, rate: { limit: 5, per: '150ms' } })
      expectRate(begun, 5, 150)
      expect(new Set(begun.map(({ text }) => text)).size).toBe(14)
      expect(begun.every(({ attempts }) => attempts === 1)).toBe(true)
    })

    it(`BullMQ#273, #279, #1322, #1510: a limit for each group is for those who pay. Here there is one by key, with ${JSON.stringify({ order, ...options })}`, async () => {
      const log = await open()
      await log.createTopic('t', { partitions: 2 })
      await log.append('t', [...some(12, 'busy'), ...some(3, 'calm'), ...some(20, null)])
      const subscription = await subscribe(log, { ...earliest, ...options })
      const begun = await runFor(log, subscription, 35, { ...run, rate: { limit: 3, per: '150ms', by: 'key' } })
      const of = (key: string | null): Begun[] => begun.filter(each => each.key === key)
      expectRate(of('busy'), 3, 150)
      expectRate(of('calm'), 3, 150)
      expect(new Set(begun.map(({ text }) => text)).size).toBe(35)
      expect(begun.every(({ attempts }) => attempts === 1)).toBe(true)
      if (order === 'key')
        expect(of('busy').map(({ text }) => text)).toEqual(some(12, 'busy').map(({ value }) => String(value)))
      // Where nothing else keeps them in order, others do not wait.
      if (order === 'partition' || options.delivery !== undefined) return
      const last = begun.findLastIndex(({ key }) => key !== 'busy')
      expect(begun.slice(last).length).toBeGreaterThanOrEqual(6)
    })
  }
}

describeEachLog('rates', open => {
  keepsRates([{ order: 'key' }, { mode: 'shared' }, { delivery: 'exactly-once' }], open)
})

describe('rates of other ways to consume', () => {
  const others: readonly Mode[] = [
    { order: 'partition' },
    { order: 'none' },
    { delivery: 'at-most-once' },
    { delivery: 'exactly-once', maxPollRecords: 1 },
  ]
  keepsRates(others, async () => {
    const log = await openLog({ memory: true })
    onTestFinished(() => log.close())
    return log
  })
})

describe('a rate', () => {
  const turns = async (): Promise<void> => {
    // Longer than its interval: its timers have had their turns, and the clock of the log stands still.
    const end = performance.now() + 30
    while (performance.now() < end) await new Promise(resolve => setImmediate(resolve))
  }

  for (const mode of ['partitioned', 'shared'] as const) {
    for (const by of [undefined, 'key'] as const) {
      it(`goes by the clock of the log: ${mode}, ${by ?? 'of all'}`, async () => {
        let now = 1_000_000
        await using log = await openLog({ memory: true, now: () => now })
        await log.createTopic('t')
        await log.append('t', some(5, 'a'))
        const subscription = await subscribe(log, { ...earliest, mode })
        const begun: string[] = []
        const running = subscription.run(({ text }) => void begun.push(text), {
          concurrency: 5,
          rate: { limit: 2, per: '10ms', ...(by && { by }) },
        })
        for (const count of [2, 4, 5]) {
          await expect.poll(() => begun.length).toBe(count)
          await turns()
          expect(begun.length).toBe(count)
          now += 10
        }
        await subscription.close()
        await running
        expect(new Set(begun).size).toBe(5)
      })
    }
  }

  it('is of attempts: one that is tried again waits for it as well', async () => {
    let now = 1_000_000
    await using log = await openLog({ memory: true, now: () => now })
    await log.createTopic('t')
    await log.append('t', some(1, 'a'))
    for (const order of ['key', 'none'] as const) {
      const subscription = await subscribe(log, { ...earliest, groupId: order })
      const attempts: number[] = []
      const running = subscription.run(
        item => {
          attempts.push(item.attempts)
          if (item.attempts < 3) throw new Error('again')
        },
        { order, rate: { limit: 1, per: '10ms', by: 'key' } },
      )
      for (const count of [1, 2, 3]) {
        await expect.poll(() => attempts.length).toBe(count)
        await turns()
        expect(attempts.length).toBe(count)
        now += 10
      }
      await subscription.close()
      await running
    }
  })

  const deliveries: readonly (SubscriptionOptions & RunOptions)[] = [
    { order: 'key' },
    { order: 'key', maxAttempts: 3 },
    { order: 'none', maxAttempts: 3 },
    { mode: 'shared' },
    { delivery: 'at-most-once' },
    { delivery: 'exactly-once' satisfies Delivery },
  ]
  for (const { order, ...options } of deliveries) {
    for (const by of [undefined, 'key'] as const) {
      it(`is not waited for when it is closed, and what waited was no attempt: ${JSON.stringify({ order, by, ...options })}`, async () => {
        let now = 1_000_000
        await using log = await openLog({ memory: true, now: () => now })
        await log.createTopic('t')
        await log.append('t', some(20, 'a'))
        const rate = { limit: 1, per: '1h', ...(by && { by }) }
        const seen: string[] = []
        for (let time = 0; time < 4; time++) {
          const subscription = await subscribe(log, { ...earliest, ...options })
          const begun = deferred<void>()
          const running = subscription.run(
            ({ text, attempts }) => {
              expect(attempts).toBe(1)
              seen.push(text)
              begun.resolve()
            },
            { concurrency: 5, rate, ...(order !== undefined && { order }) },
          )
          await begun.promise
          await turns()
          await subscription.close()
          await running
          // What was put off keeps its time.
          now += 86_400_000
        }
        expect(new Set(seen).size).toBe(4)
      })
    }
  }

  it('moves with its partition: what waited is begun by the other member, as its first attempt', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    await log.append('t', [
      ...some(5, 'a').map(record => ({ ...record, partition: 0 })),
      ...some(5, 'b').map(record => ({ ...record, partition: 1 })),
    ])
    const begun: string[] = []
    const handler = ({ text, attempts }: Item): void => {
      expect(attempts).toBe(1)
      begun.push(text)
    }
    const options = { concurrency: 5, rate: { limit: 1, per: '1h', by: 'key' } } as const
    const first = await subscribe(log, earliest)
    const running = [first.run(handler, options)]
    await expect.poll(() => [...begun].sort()).toEqual(['a 0', 'b 0'])
    const second = await subscribe(log, earliest)
    running.push(second.run(handler, options))
    // One partition is its own now, and the second of it begins: what the first member had begun it does not know of.
    await expect.poll(() => begun.length).toBe(3)
    expect(['a 1', 'b 1']).toContain(begun[2])
    await Promise.all([first.close(), second.close()])
    await Promise.all(running)
  })

  for (const options of [{ mode: 'shared' }, {}] as const) {
    it(`of one key holds nothing else up, however much waits for it: ${JSON.stringify(options)}`, async () => {
      await using log = await openLog({ memory: true })
      await log.createTopic('t')
      // More than a window holds.
      await log.append('t', some(12_000, 'busy'))
      await log.append('t', some(5, 'calm'))
      const subscription = await subscribe(log, { ...earliest, ...options })
      const begun: string[] = []
      const running = subscription.run(({ text }) => void begun.push(text), {
        concurrency: 10,
        order: 'none',
        rate: { limit: 1, per: '1h', by: 'key' },
      })
      // Their own limit lets one begin.
      await expect.poll(() => begun, { timeout: 110_000 }).toEqual(['busy 0', 'calm 0'])
      await subscription.close()
      await running
    }, 120_000)
  }

  for (const options of [{ delivery: 'exactly-once' }, {}] as const) {
    for (const by of [undefined, 'key'] as const) {
      it(`longer than a lease costs no attempts: ${JSON.stringify({ by, ...options })}`, async () => {
        await using log = await openLog({ memory: true })
        await log.createTopic('t')
        await log.append('t', some(4, 'a'))
        const subscription = await subscribe(log, {
          ...earliest,
          ...options,
          mode: 'shared',
          lease: 200,
          maxAttempts: 2,
        })
        const begun = await runFor(log, subscription, 4, { rate: { limit: 1, per: '300ms', ...(by && { by }) } })
        expectRate(begun, 1, 300)
        expect(begun.map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1])
        expect(new Set(begun.map(({ text }) => text)).size).toBe(4)
      })
    }
  }

  it('of all lets what ends the log be known at once', async () => {
    const log = await openLog({ memory: true })
    await log.createTopic('t')
    await log.append('t', some(2, 'a'))
    const subscription = await subscribe(log, earliest)
    const begun = deferred<void>()
    const running = subscription.run(() => begun.resolve(), { rate: { limit: 1, per: '1h' } })
    await begun.promise
    await turns()
    await log.close()
    await expect(running).rejects.toMatchObject({ code: 'SUBSCRIPTION_CLOSED' })
  })

  it('does not count what a filter leaves out', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await log.append('t', [
      ...Array.from({ length: 500 }, () => ({ value: Buffer.from('not for us'), key: Buffer.from('a') })),
      ...some(1, 'a'),
    ])
    for (const [groupId, by] of [
      ['x', undefined],
      ['y', 'key'],
    ] as const) {
      for (const delivery of ['at-least-once', 'exactly-once'] as const) {
        const subscription = await subscribe(log, { ...earliest, groupId: groupId + delivery, delivery })
        const begun = await runFor(log, subscription, 1, { rate: { limit: 1, per: '1h', ...(by && { by }) } })
        expect(begun.map(({ text }) => text)).toEqual(['a 0'])
      }
    }
  })

  it('that cannot be kept is refused', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const wrong: readonly [unknown, string][] = [
      ['100/s', 'rate is "100/s": give { limit: 100, per: \'1s\' }'],
      [{ limit: 0, per: '1s' }, 'rate.limit is 0: give a whole number from 1'],
      [{ limit: 1.5, per: '1s' }, 'rate.limit is 1.5'],
      [{ limit: 1, per: 0 }, 'rate.per is 0: give at least 1 ms'],
      [{ limit: 1 }, 'rate.per'],
      [{ limit: 1, per: '1s', by: 'user' }, 'rate.by is "user": give one of key'],
      [{ max: 1, per: '1s' }, 'option "max" of rate is not known: there are limit, per, by'],
    ]
    for (const [rate, message] of wrong) {
      await using subscription = await subscribe(log)
      await expect(subscription.run(() => undefined, { rate: rate as never })).rejects.toMatchObject({
        code: 'SUBSCRIPTION_INVALID',
        message: expect.stringContaining(message),
      })
    }
  })
})
