import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Log, openLog } from '@aegis/log'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { redrive } from '../src/index.ts'
import { deferred, everything, publish, subscribe, take } from './items.ts'

const earliest = { groupId: 'g', from: 'earliest', backoff: 0 } as const
const committed = async (log: Log) => (await log.committed('g', 't', 0))?.offset

afterEach(() => void vi.useRealTimers())

describe('a message that was refused for longer than 30 s', () => {
  it('is put aside in one commit, so that its group moves on, and comes when it is due, with its attempts', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'subscription-'))
    let now = 1_000_000
    let log = await openLog({ dataDir, now: () => now })
    await log.createTopic('t')
    await publish(log, ...'abc')
    const seen = await take(await subscribe(log, earliest), 3, item =>
      item.text === 'b' ? item.nack({ delay: '1h' }) : item.ack(),
    )
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(await log.committed('g', 't', 0)).toEqual({ offset: 3, metadata: '' })
    await log.close()

    log = await openLog({ dataDir, now: () => now })
    now += 3_599_999
    await publish(log, 'd')
    expect(await take(await subscribe(log, earliest), 1, item => item.ack())).toEqual(['d'])
    now += 1
    const attempts: number[] = []
    const again = await take(await subscribe(log, earliest), 1, item => {
      attempts.push(item.attempts)
      item.ack()
    })
    expect([again, attempts]).toEqual([['b'], [2]])
    await publish(log, 'e')
    expect(await take(await subscribe(log, earliest), 1, item => item.ack())).toEqual(['e'])
    await log.close()
    await rm(dataDir, { recursive: true })
  })

  it('comes to a reader that waits', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a')
    const loop = (await subscribe(log, earliest))[Symbol.asyncIterator]()
    ;(await loop.next()).value?.nack({ delay: '1h' })
    const next = loop.next()
    await vi.advanceTimersByTimeAsync(3_700_000)
    expect((await next).value).toMatchObject({ text: 'a', attempts: 2 })
    await loop.return()
  })

  it('goes to the dead letters after its last attempt, and nothing of it is left', async () => {
    let now = 1_000_000
    await using log = await openLog({ memory: true, now: () => now })
    await log.createTopic('t')
    await publish(log, 'a')
    const seen: number[] = []
    for (let round = 0; round < 3; round++) {
      await take(await subscribe(log, { ...earliest, maxAttempts: 3 }), 1, item => {
        seen.push(item.attempts)
        item.nack({ delay: '2h', reason: 'not now' })
      })
      now += 7_200_000
    }
    expect(seen).toEqual([1, 2, 3])
    expect(await everything(log, 't.dead')).toEqual(['a'])
    await publish(log, 'b')
    expect(await take(await subscribe(log, earliest), 1, item => item.ack())).toEqual(['b'])
  })

  it('is counted before it is delivered, but not when it was only fetched', async () => {
    let now = 1_000_000
    await using log = await openLog({ memory: true, now: () => now })
    await log.createTopic('t')
    await publish(log, 'a', 'b')
    await take(await subscribe(log, earliest), 2, item => item.nack({ delay: '1h' }))
    now += 3_600_000
    // The first is left without a word, the second was not handed over.
    expect(await take(await subscribe(log, earliest), 1)).toEqual(['a'])
    const seen: string[] = []
    await take(await subscribe(log, earliest), 2, item => {
      seen.push(`${item.text}${item.attempts}`)
      item.ack()
    })
    expect(seen).toEqual(['a3', 'b2'])
  })

  it('is delivered alone when it was at work in a process that died, so that others are not counted with it', async () => {
    const { openMemory } = await import('@aegis/storage')
    let now = 1_000_000
    await using storage = await openMemory()
    let log = await openLog({ storage, now: () => now })
    await log.createTopic('t')
    await publish(log, 'a', 'b')
    await take(await subscribe(log, earliest), 2, item => item.nack({ delay: '1h' }))
    now += 3_600_000
    // Nothing is closed: as after a kill, the storage has what was committed until then.
    for (let round = 0; round < 3; round++) {
      const loop = (await subscribe(log, earliest))[Symbol.asyncIterator]()
      expect((await loop.next()).value).toMatchObject({ text: 'a', attempts: round + 2 })
      log = await openLog({ storage, now: () => now })
    }
    const seen: string[] = []
    await take(await subscribe(log, { ...earliest, maxAttempts: 9 }), 2, item => {
      seen.push(`${item.text}${item.attempts}`)
      item.ack()
    })
    // The other was fetched with it once, before anything was known.
    expect(seen).toEqual(['a5', 'b3'])
  })

  it('under exactly-once and in a handler of run does not hold up those behind it', async () => {
    for (const delivery of ['at-least-once', 'exactly-once'] as const) {
      let now = 1_000_000
      await using log = await openLog({ memory: true, now: () => now })
      await log.createTopic('t')
      await publish(log, 'later', 'b')
      const run = async (last: string): Promise<string[]> => {
        const seen: string[] = []
        const subscription = await subscribe(log, { ...earliest, delivery })
        await subscription.run(
          ({ text, attempts, nack }) => {
            seen.push(`${text}${attempts}`)
            if (text === 'later' && attempts === 1) nack({ delay: '1h' })
            else if (text === last) void subscription.close()
          },
          { order: 'partition' },
        )
        return seen
      }
      expect((await run('b')).at(-1)).toMatch(/^b/)
      expect(await committed(log)).toBe(2)
      now += 3_600_000
      expect(await run('later')).toEqual(['later2'])
      await publish(log, 'c')
      expect(await run('c')).toEqual(['c1'])
    }
  })
})

describe('a message that waits for its next attempt', () => {
  it('does not keep the group from moving on, however much comes after it', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'waits')
    for (let at = 0; at < 12; at++) await publish(log, ...Array.from({ length: 1000 }, () => 'x'))
    const texts = await take(await subscribe(log, { ...earliest, backoff: '20s' }), 12_001, item =>
      item.text === 'waits' ? item.nack() : item.ack(),
    )
    expect(texts.filter(text => text === 'waits')).toHaveLength(1)
    expect(await committed(log)).toBe(12_001)
  })
})

describe('redrive', () => {
  it('gives dead messages back to their group, to it alone, in order and with new attempts, each once', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    const texts = Array.from({ length: 20 }, (_, at) => String(at))
    await log.append(
      't',
      texts.map(text => ({
        value: text,
        key: Number(text) % 2 === 0 ? 'even' : 'odd',
        headers: header('trace', text),
      })),
    )
    const options = { ...earliest, maxAttempts: 1 }
    await take(await subscribe(log, options), 20, item => item.nack({ reason: 'no' }))
    await take(await subscribe(log, { ...options, groupId: 'other' }), 20, item => item.ack())
    expect(await redrive(log, 't', 'other')).toBe(0)

    // Two at the same time: one message is moved by one of them.
    const moved = await Promise.all([redrive(log, 't', 'g', { limit: 5 }), redrive(log, 't', 'g', { limit: 5 })])
    expect(moved.reduce((sum, count) => sum + count)).toBe(10)
    const reading = await subscribe(log, earliest)
    const loop = reading[Symbol.asyncIterator]()
    const back: string[] = []
    while (back.length < 10) back.push((await loop.next()).value!.text)
    // A reader that waits gets the rest.
    const next = loop.next()
    expect(await redrive(log, 't', 'g')).toBe(10)
    back.push((await next).value!.text)
    while (back.length < 20) {
      const { value } = await loop.next()
      expect(value!.attempts).toBe(1)
      value!.ack()
      back.push(value!.text)
    }
    for (const parity of [0, 1]) {
      const lane = back.map(Number).filter(text => text % 2 === parity)
      expect(lane).toEqual([...lane].sort((a, b) => a - b))
    }
    expect([...back].sort()).toEqual([...texts].sort())
    await loop.return()
    expect(await redrive(log, 't', 'g')).toBe(0)
    await publish(log, 'last')
    expect(await take(await subscribe(log, { ...options, groupId: 'other' }), 1)).toEqual(['last'])
  })

  it('has nothing to do where nothing died, and refuses an unknown topic', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    expect(await redrive(log, 't', 'g')).toBe(0)
    await expect(redrive(log, 'none', 'g')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
  })
})

const header = (key: string, text: string) => [{ key, value: Buffer.from(text) }]

it('what is acknowledged while the queue is looked through does not come again', async () => {
  let now = 1_000_000
  await using memory = await openLog({ memory: true, now: () => now })
  const [read, goOn] = [deferred<void>(), deferred<void>()]
  let looks = 0
  // The second look through the queue has read everything, and goes on later.
  const log: Log = new Proxy(memory, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function') return value
      if (property !== 'scanState') return value.bind(target)
      return async function* (space: string, prefix?: Uint8Array) {
        const rows: (readonly [Uint8Array, Uint8Array])[] = []
        for await (const [key, row] of target.scanState(space, prefix)) rows.push([key.slice(), row.slice()])
        if (space.startsWith('$retries') && rows.length > 0 && ++looks === 2) {
          read.resolve()
          await goOn.promise
        }
        yield* rows
      }
    },
  })
  await log.createTopic('t')
  await publish(log, 'later')
  await take(await subscribe(log, earliest), 1, item => item.nack({ delay: '1h' }))
  now += 3_600_000
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const subscription = await subscribe(log, earliest)
  const loop = subscription[Symbol.asyncIterator]()
  const { value: later } = await loop.next()
  expect(later).toMatchObject({ text: 'later', attempts: 2 })
  await vi.advanceTimersByTimeAsync(15_000)
  await read.promise
  later!.ack()
  await subscription.commit()
  goOn.resolve()
  await publish(log, 'end')
  expect((await loop.next()).value).toMatchObject({ text: 'end' })
  await loop.return()
  const space = `$retries${JSON.stringify(['t', memory.topic('t').incarnation, 'g'])}`
  for await (const _ of memory.scanState(space)) expect.fail('its row is there again')
})
