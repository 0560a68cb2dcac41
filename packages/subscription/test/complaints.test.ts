import { readFile } from 'node:fs/promises'
import { openLog } from '@aegis/log'
import { describe, expect, it } from 'vitest'
import { redrive, Subscription } from '../src/index.ts'
import { deferred, everything, publish, subscribe, take } from './items.ts'

// What users of other systems complain about, where it concerns consuming: the issue in their tracker, and what holds here.

const earliest = { groupId: 'g', from: 'earliest', backoff: 0 } as const
const texts = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at))

describe('kafkajs', () => {
  it('#1156, #1189, #1771: a rebalance stops the world. Here only partitions that move pause', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 4 })
    await log.append(
      't',
      texts(4).map((value, partition) => ({ value, partition })),
    )
    const first = await subscribe(log, earliest)
    const [begun, go] = [deferred<void>(), deferred<void>()]
    const done: number[] = []
    let started = 0
    const running = first.run(
      async ({ partition }) => {
        if (++started === 4) begun.resolve()
        await go.promise
        done.push(partition)
      },
      { concurrency: 4 },
    )
    await begun.promise
    // While handlers of all partitions are at work, another member comes: those that stay are not given up.
    const second = await subscribe(log, earliest)
    go.resolve()
    await expect.poll(() => done.length).toBe(4)
    const stayed = await log.describeGroup('g', 't')
    const mine = new Set(stayed.memberDetails[0]?.partitions)
    await first.commit()
    for (const { partition, lag } of await log.lag('g', 't')) if (mine.has(partition)) expect(lag).toBe(0)
    await Promise.all([first.close(), second.close()])
    await running
  })

  it('#725: a retry that is delayed for longer than the session loses the consumer. Here it waits, and others go on', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'later', ...texts(3))
    const seen = await take(await subscribe(log, { ...earliest, sessionTimeout: 10 }), 4, item =>
      item.text === 'later' ? item.nack({ delay: '10m' }) : item.ack(),
    )
    expect(seen).toEqual(['later', ...texts(3)])
    expect((await log.committed('g', 't', 0))?.offset).toBe(4)
  })

  it('#874: offsets are not committed on stop. Here closing commits what is acknowledged', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, ...texts(10))
    await take(await subscribe(log, earliest), 7, item => item.ack())
    expect((await log.committed('g', 't', 0))?.offset).toBe(7)
  })

  it('nestjs-kafka#26: a failing message crash-loops the consumer. Here it goes to the dead letters, and the rest goes on', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'bad', 'good')
    const subscription = await subscribe(log, { ...earliest, maxAttempts: 2 })
    await subscription.run(
      ({ text }) => {
        if (text === 'bad') throw new Error('always')
        void subscription.close()
      },
      { order: 'partition' },
    )
    expect(await everything(log, 't.dead')).toEqual(['bad'])
  })
})

describe('platformatic/kafka', () => {
  it('#368: committed offsets are lost across overlapping refreshes. Here commits and rebalances overlap, and none goes back', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 3 })
    await log.append(
      't',
      texts(300).map((value, at) => ({ value, partition: at % 3 })),
    )
    const subscription = await subscribe(log, { ...earliest, maxPollRecords: 10 })
    const highest = [0, 0, 0]
    const commits: Promise<void>[] = []
    let handled = 0
    const running = subscription.run(async () => {
      handled++
      if (handled % 7 === 0) commits.push(subscription.commit())
      if (handled % 40 === 0) await (await subscribe(log, earliest)).close()
      for (const { partition, position } of (await log.describeGroup('g', 't')).positions) {
        expect(position?.offset).toBeGreaterThanOrEqual(highest[partition]!)
        highest[partition] = position!.offset
      }
    })
    await expect.poll(async () => (await log.lag('g', 't')).every(({ lag }) => lag === 0)).toBe(true)
    await Promise.all(commits)
    await subscription.close()
    await running
    expect((await log.lag('g', 't')).map(({ lag }) => lag)).toEqual([0, 0, 0])
  })

  it('#362: streams are left open on leave. Here loops, runs, status and lag end with the subscription', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const subscription = await subscribe(log, earliest)
    const ends = [
      take(subscription, 1),
      (async () => {
        for await (const _ of subscription.status());
      })(),
      (async () => {
        for await (const _ of subscription.watchLag({ interval: 1 }));
      })(),
    ]
    await subscription.close()
    await Promise.all(ends)
    expect((await log.describeGroup('g', 't')).members).toBe(0)
  })

  it('#286, #303: an offset out of range stops the consumer. Here a group behind retention goes on with what is left', async () => {
    let now = 1_000_000
    await using log = await openLog({ memory: true, now: () => now })
    await log.createTopic('t', { retention: '1h' })
    await publish(log, ...texts(3))
    await take(await subscribe(log, earliest), 1, item => item.ack())
    now += 7_200_000
    await publish(log, 'new')
    await log.runMaintenance()
    expect(await take(await subscribe(log, earliest), 1)).toEqual(['new'])
  })

  it('#254, #266: back-pressure stalls, or memory grows with the size of messages. Here bytes bound what is fetched', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    for (let at = 0; at < 50; at++) await log.append('t', { value: Buffer.alloc(20_000) })
    const options = { ...earliest, delivery: 'at-most-once', maxPollBytes: 50_000 } as const
    let ahead = 0
    let seen = 0
    const subscription = await subscribe(log, options)
    await subscription.run(async () => {
      ahead = Math.max(ahead, (await log.committed('g', 't', 0))!.offset - seen++)
      if (seen === 50) void subscription.close()
    })
    expect(seen).toBe(50)
    expect(ahead).toBeLessThanOrEqual(3)
  })

  it('#276, #278: a message larger than what is fetched at once is never read. Here it is read alone, and small ones of other partitions as well', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    for (let at = 0; at < 3; at++) {
      await log.append('t', { value: Buffer.alloc(30_000), partition: 0 })
      await log.append('t', { value: 'small', partition: 1 })
    }
    const sizes: number[] = []
    for await (const { text, ack } of await subscribe(log, { ...earliest, maxPollBytes: 1000 })) {
      ack()
      if (sizes.push(text.length) === 6) break
    }
    expect(sizes.sort((a, b) => a - b)).toEqual([5, 5, 5, 30_000, 30_000, 30_000])
  })

  it('#333, #363: what cannot be decoded ends who reads without a group. Here it may be left out', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'unreadable', 'b')
    expect(await take(await subscribe(log, { from: 'earliest', onError: 'skip' }), 2)).toEqual(['a', 'b'])
    await expect(take(await subscribe(log, { from: 'earliest' }), 2)).rejects.toThrow('not readable')
  })

  it('#372: duplicate headers are collapsed. Here they are kept, to the dead letters and back', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const headers = ['a', 'b'].map(value => ({ key: 'same', value: Buffer.from(value) }))
    await log.append('t', { value: 'x', headers })
    const open = (maxAttempts: number) =>
      Subscription.open(log, 't', (record, { ack, nack }) => ({ record, ack, nack }), { ...earliest, maxAttempts })
    const first = (await open(1))[Symbol.asyncIterator]()
    ;(await first.next()).value?.nack()
    await first.return()
    expect(await redrive(log, 't', 'g')).toBe(1)
    const second = (await open(5))[Symbol.asyncIterator]()
    const { record } = (await second.next()).value!
    expect(record.headers.map(({ key, value }) => [key, Buffer.from(value!).toString()])).toEqual([
      ['same', 'a'],
      ['same', 'b'],
    ])
    await second.return()
  })
})

describe('nats-server', () => {
  it('#2043, #6554, nats.js#328, nats.node#659: strict order by key needs one consumer for each. Here handlers run side by side, each key in order', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    await log.append(
      't',
      texts(100).map(value => ({ value, key: `k${Number(value) % 5}` })),
    )
    const subscription = await subscribe(log, earliest)
    const [byKey, all] = [new Map<string, number[]>(), [] as number[]]
    let [active, most] = [0, 0]
    await subscription.run(
      async ({ text, key }) => {
        most = Math.max(most, ++active)
        await new Promise(resolve => setTimeout(resolve, Number(text) % 3))
        active--
        byKey.set(key!, [...(byKey.get(key!) ?? []), Number(text)])
        if (all.push(Number(text)) === 100) void subscription.close()
      },
      { concurrency: 5 },
    )
    expect(most).toBeGreaterThan(1)
    for (const lane of byKey.values()) expect(lane).toEqual([...lane].sort((a, b) => a - b))
  })
})

describe('BullMQ', () => {
  it('#489, #596, #1497, #2969, #3183, #3555: a busy event loop loses locks. Here a handler that blocks the process costs no lease of another', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'waits', 'blocks')
    const subscription = await subscribe(log, { ...earliest, mode: 'shared', lease: 100 })
    const seen: string[] = []
    const both = deferred<void>()
    const running = subscription.run(
      async ({ text, attempts }) => {
        seen.push(`${text}${attempts}`)
        if (text === 'blocks') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
        // What it waits for is there before the lease ends, but nobody could look.
        else await readFile(import.meta.filename)
        if (seen.length === 2) both.resolve()
      },
      { concurrency: 2 },
    )
    await both.promise
    await expect.poll(async () => (await log.lag('g', 't'))[0]?.lag).toBe(0)
    await subscription.close()
    await running
    expect(seen.sort()).toEqual(['blocks1', 'waits1'])
  })

  it('#273, #1510: order within a group of jobs is for those who pay. Here a shared group and order by key are on the same topic', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, ...texts(5))
    expect(
      await take(await subscribe(log, { ...earliest, mode: 'shared', groupId: 'jobs' }), 5, item => item.ack()),
    ).toEqual(texts(5))
    expect(await take(await subscribe(log, { ...earliest, groupId: 'log' }), 5, item => item.ack())).toEqual(texts(5))
  })
})
