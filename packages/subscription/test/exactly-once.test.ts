import { type Log, openLog } from '@aegis/log'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { acknowledge } from '../src/index.ts'
import { deferred, everything, publish, subscribe } from './items.ts'

const options = { groupId: 'g', from: 'earliest', delivery: 'exactly-once', backoff: 0 } as const
const bytes = (text: string) => Buffer.from(text)

async function given(...texts: string[]): Promise<Log> {
  const log = await openLog({ memory: true })
  await log.createTopic('t')
  await log.createTopic('out')
  if (texts.length > 0) await publish(log, ...texts)
  return log
}

describe('exactly once', () => {
  it('commits what handlers write together with the acknowledgement', async () => {
    await using log = await given(...'abc')
    const subscription = await subscribe(log, options)
    await subscription.run(({ text }, tx) => {
      tx.append('out', { value: bytes(text) })
      if (text === 'c') void subscription.close()
    })
    expect(await everything(log, 'out')).toEqual(['a', 'b', 'c'])
    expect((await log.committed('g', 't', 0))?.offset).toBe(3)
  })

  it('shares a transaction among fewer messages when together they have written too much', async () => {
    // A transaction is also ended when it takes long, which on a busy machine each message would.
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    await using log = await given(...Array.from({ length: 40 }, (_, at) => String(at)))
    const before = log.commits
    const subscription = await subscribe(log, { ...options, maxAttempts: 1 })
    const attempts: number[] = []
    await subscription.run(({ text, attempts: attempt }, tx) => {
      attempts.push(attempt)
      tx.append('out', { value: bytes(text) })
      // 40 of them are more than a transaction may write.
      tx.putState('s', bytes(text), Buffer.alloc(900_000))
      if (text === '39') void subscription.close()
    })
    expect(await everything(log, 'out')).toEqual(Array.from({ length: 40 }, (_, at) => String(at)))
    expect(new Set(attempts)).toEqual(new Set([1]))
    expect(log.commits - before).toBeLessThan(20)
  })

  it('refuses a bare ack', async () => {
    await using log = await given('a')
    const subscription = await subscribe(log, options)
    await subscription.run(item => {
      expect(() => item.ack()).toThrow(expect.objectContaining({ code: 'ACK_OUTSIDE_TRANSACTION' }))
      void subscription.close()
    })
  })

  it('undoes what a throwing handler has written, runs the others again one by one, and none twice in the end', async () => {
    await using log = await given('a', 'bad', 'c', 'flaky', 'e')
    const subscription = await subscribe(log, { ...options, maxAttempts: 2 })
    const attempts = new Map<string, number>()
    await subscription.run(({ text, attempts: attempt }, tx) => {
      attempts.set(text, attempt)
      tx.append('out', { value: bytes(text) })
      if (text === 'bad' || (text === 'flaky' && attempt === 1)) throw new Error('no')
      if (text === 'e') void subscription.close()
    })
    expect(await everything(log, 'out')).toEqual(['a', 'c', 'flaky', 'e'])
    expect(await everything(log, 't.dead')).toEqual(['bad'])
    expect((await log.committed('g', 't', 0))?.offset).toBe(5)
  })

  it('goes on after its partition was taken away in the middle of a handler; the other member does the work', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    await log.createTopic('out')
    for (const partition of [0, 1]) await log.append('t', { value: bytes(`p${partition}`), partition })
    const first = await subscribe(log, options)
    const second = deferred<Awaited<ReturnType<typeof subscribe>>>()
    let joined = false
    const runFirst = first.run(async ({ text }, tx) => {
      tx.append('out', { value: bytes(text) })
      if (joined) return
      joined = true
      second.resolve(await subscribe(log, options))
    })
    const other = await second.promise
    const runOther = other.run(({ text }, tx) => void tx.append('out', { value: bytes(text) }))
    await expect.poll(() => log.endOffset('out')).toBe(2)
    await log.append('t', [
      { value: bytes('q0'), partition: 0 },
      { value: bytes('q1'), partition: 1 },
    ])
    await expect.poll(() => log.endOffset('out')).toBe(4)
    await Promise.all([first.close(), other.close()])
    await Promise.all([runFirst, runOther])
    expect((await everything(log, 'out')).sort()).toEqual(['p0', 'p1', 'q0', 'q1'])
  })

  it('works on partitions side by side, each in order', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 3 })
    await log.createTopic('out')
    const sent = Array.from({ length: 60 }, (_, at) => ({ value: bytes(String(at)), partition: at % 3 }))
    await log.append('t', sent)
    const subscription = await subscribe(log, { ...options, maxPollRecords: 7 })
    let done = 0
    const running = subscription.run(
      async ({ text }, tx) => {
        await new Promise(resolve => setImmediate(resolve))
        tx.append('out', { value: bytes(text) })
        if (++done === 60) void subscription.close()
      },
      { concurrency: 3 },
    )
    await running
    const out = (await everything(log, 'out')).map(Number)
    for (const partition of [0, 1, 2]) {
      expect(out.filter(value => value % 3 === partition)).toEqual(
        sent.flatMap((_, at) => (at % 3 === partition ? [at] : [])),
      )
    }
  })

  it('is not disturbed by conflicts with other transactions', async () => {
    await using log = await given(...Array.from({ length: 30 }, (_, at) => String(at)))
    const count = async (tx: Parameters<Parameters<Log['transaction']>[0]>[0]): Promise<void> => {
      const before = Number((await tx.getState('s', bytes('n')))?.toString() ?? 0)
      tx.putState('s', bytes('n'), bytes(String(before + 1)))
    }
    const subscription = await subscribe(log, { ...options, maxPollRecords: 3, maxAttempts: 1 })
    const others = (async () => {
      for (let at = 0; at < 30; at++) await log.transaction(count, { retries: 1000 })
    })()
    await subscription.run(async ({ text }, tx) => {
      await count(tx)
      if (text === '29') void subscription.close()
    })
    await others
    expect((await log.getState('s', bytes('n')))?.toString()).toBe('60')
  })
})

describe('acknowledging in a transaction of one’s own', () => {
  it('holds for several items of a partition, if the transaction commits', async () => {
    await using log = await given(...'abcd')
    for await (const _ of [1]) {
      const subscription = await subscribe(log, options)
      const loop = subscription[Symbol.asyncIterator]()
      const items = [(await loop.next()).value!, (await loop.next()).value!, (await loop.next()).value!]
      const failing = log.transaction(tx => {
        for (const item of items) acknowledge(tx, item)
        throw new Error('mine')
      })
      await expect(failing).rejects.toThrow('mine')
      expect((await log.committed('g', 't', 0))?.offset).toBe(0)
      await log.transaction(tx => {
        for (const item of [items[0]!, items[1]!]) {
          acknowledge(tx, item)
          tx.append('out', { value: bytes(item.text) })
        }
      })
      expect((await log.committed('g', 't', 0))?.offset).toBe(2)
      await loop.return()
    }
    expect(await everything(log, 'out')).toEqual(['a', 'b'])
  })

  it('refuses an item that is of no group, and one whose partition is another’s now', async () => {
    await using log = await given('a')
    await expect(log.transaction(tx => acknowledge(tx, {}))).rejects.toMatchObject({ code: 'ACK_UNKNOWN' })
    const loop = (await subscribe(log, options))[Symbol.asyncIterator]()
    const item = (await loop.next()).value!
    await loop.return()
    const late = log.transaction(tx => {
      acknowledge(tx, item)
      tx.append('out', { value: bytes('late') })
    })
    await expect(late).rejects.toMatchObject({ code: 'GENERATION_FENCED' })
    expect(await log.endOffset('out')).toBe(0)
  })
})

describe('a transaction over items of several partitions', () => {
  it('that is refused because one was taken away acknowledges none of them', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    await log.append(
      't',
      ['a', 'b'].map((text, partition) => ({ value: bytes(text), partition })),
    )
    const member = await subscribe(log, options)
    const loop = member[Symbol.asyncIterator]()
    const items = [(await loop.next()).value!, (await loop.next()).value!].sort((a, b) => a.partition - b.partition)
    const refused = log.transaction(async tx => {
      for (const item of items) acknowledge(tx, item)
      // Another member comes and goes: partition 1 is this member's again, but not as it was.
      await (await subscribe(log, options)).close()
    })
    await expect(refused).rejects.toMatchObject({ code: 'GENERATION_FENCED' })
    await publish(log, 'c', 'd')
    await loop.next()
    await loop.return()
    expect((await log.committed('g', 't', 0))?.offset).toBe(0)
    expect((await log.committed('g', 't', 1))?.offset).toBe(1)
  })
})

describe('a handler under another delivery', () => {
  it('is told that it has no transaction when it uses one', async () => {
    await using log = await given('a')
    const subscription = await subscribe(log, { from: 'earliest', maxAttempts: 1 })
    const run = subscription.run((_, tx) => void tx.append('out', { value: null }))
    await expect(run).rejects.toThrow(/delivery: 'exactly-once'/)
  })
})
