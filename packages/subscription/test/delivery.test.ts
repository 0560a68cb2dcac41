import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '@aegis/log'
import { AegisError, openMemory } from '@aegis/storage'
import { describe, expect, it } from 'vitest'
import { deferred, everything, type Item, publish, subscribe, take } from './items.ts'

describe('a group', () => {
  it('is given again, after a restart, exactly what was not acknowledged', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'subscription-'))
    let log = await openLog({ dataDir })
    await log.createTopic('t')
    await publish(log, 'a', 'b', 'c', 'd')
    await take(await subscribe(log, { groupId: 'g', from: 'earliest' }), 4, item => {
      if (item.text === 'a' || item.text === 'c') item.ack()
    })
    await log.close()
    log = await openLog({ dataDir })
    expect(await take(await subscribe(log, { groupId: 'g' }), 2, item => item.ack())).toEqual(['b', 'd'])
    expect(await (await subscribe(log, { groupId: 'g' })).lag()).toEqual([{ topic: 't', partition: 0, lag: 0 }])
    await log.close()
    await rm(dataDir, { recursive: true })
  })

  it('knows what was acknowledged and tried beyond its position, also when a member in between has not fetched so far', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, ...'abcdefghij')
    const options = { groupId: 'g', from: 'earliest', maxAttempts: 9, backoff: 0 } as const
    // All but three are acknowledged; of those one was tried once, and two are given back twice.
    const tries = new Map<string, number>()
    const first = await subscribe(log, options)
    await take(first, 12, ({ text, ack, nack }) => {
      tries.set(text, (tries.get(text) ?? 0) + 1)
      if (text === 'h' || text === 'i') nack()
      else if (text !== 'b') ack()
    })
    expect([tries.get('b'), tries.get('h'), tries.get('i')]).toEqual([1, 2, 2])
    const between = await subscribe(log, { ...options, maxPollRecords: 1 })
    expect(await take(between, 1, item => item.ack())).toEqual(['b'])
    const last: [string, number][] = []
    await take(await subscribe(log, options), 2, ({ text, attempts, ack }) => {
      last.push([text, attempts])
      ack()
    })
    expect(last).toEqual([
      ['h', 3],
      ['i', 3],
    ])
    expect(await (await subscribe(log, options)).lag()).toEqual([{ topic: 't', partition: 0, lag: 0 }])
  })

  it('shares the partitions among its members', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 4 })
    const members = [await subscribe(log, { groupId: 'g' }), await subscribe(log, { groupId: 'g' })]
    const seen = members.map(() => [] as number[])
    const done = deferred<void>()
    const runs = members.map((member, at) =>
      member.run(({ partition }) => {
        seen[at]?.push(partition)
        if (seen.flat().length === 8) done.resolve()
      }),
    )
    await log.append(
      't',
      Array.from({ length: 8 }, (_, at) => ({ value: Buffer.from('x'), partition: at % 4 })),
    )
    await done.promise
    await Promise.all(members.map(member => member.close()))
    await Promise.all(runs)
    expect(seen.map(partitions => new Set(partitions).size)).toEqual([2, 2])
    expect(seen.flat().sort()).toEqual([0, 0, 1, 1, 2, 2, 3, 3])
  })

  it('gives a member that is started again under its name the same partitions, and moves no others', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 4 })
    const members = await Promise.all(
      ['one', 'two'].map(instanceId => subscribe(log, { groupId: 'g', sessionTimeout: '10m', instanceId })),
    )
    const owners = async () =>
      (await log.describeGroup('g', 't')).memberDetails.map(({ partitions }) => partitions).sort()
    const before = await owners()
    await members[0]!.close()
    const again = await subscribe(log, { groupId: 'g', sessionTimeout: '10m', instanceId: 'one' })
    expect(await owners()).toEqual(before)
    await Promise.all([again.close(), members[1]!.close()])
  })

  it('tells the log how long a member may be silent', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const told: unknown[] = []
    const watched = new Proxy(log, {
      get(target, name) {
        const value = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (name === 'join') {
          return (options: { sessionTimeout?: unknown }) => {
            told.push(options.sessionTimeout)
            return value.call(target, options)
          }
        }
        return value.bind(target)
      },
    })
    for (const options of [{}, { sessionTimeout: '5s' }]) {
      await (await subscribe(watched, { groupId: 'g', ...options })).close()
    }
    expect(told).toEqual([30_000, 5_000])
  })

  it('goes on where it was, wherever a new member would start', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'b', 'c')
    await take(await subscribe(log, { groupId: 'g', from: 'earliest' }), 1, item => item.ack())
    expect(await take(await subscribe(log, { groupId: 'g', from: 'latest' }), 2)).toEqual(['b', 'c'])
  })

  it('has its start from the moment of subscribing, also when nothing was read before the restart', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'before')
    await (await subscribe(log, { groupId: 'g' })).close()
    await publish(log, 'after')
    expect(await take(await subscribe(log, { groupId: 'g' }), 1)).toEqual(['after'])
  })

  it('starts where another process has just fixed its start', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'b', 'c')
    const commitPosition = log.commitPosition.bind(log)
    log.commitPosition = async position => {
      log.commitPosition = commitPosition
      await commitPosition({ ...position, offset: 1 })
      throw new AegisError('GENERATION_FENCED', 'another was quicker')
    }
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    expect(await take(subscription, 2, item => item.ack())).toEqual(['b', 'c'])
  })

  it('starts also when another process has just taken its partition, and has not fixed the start yet', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'b')
    const commitPosition = log.commitPosition.bind(log)
    log.commitPosition = async () => {
      log.commitPosition = commitPosition
      throw new AegisError('GENERATION_FENCED', 'another was quicker')
    }
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    expect(await take(subscription, 2, item => item.ack())).toEqual(['a', 'b'])
  })

  it('reads partitions that are added later from their beginning', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    for (const groupId of ['g', undefined]) {
      const subscription = await subscribe(log, groupId === undefined ? {} : { groupId })
      const { partitions } = await log.describeTopic('t')
      await log.alterTopic('t', { partitions: partitions + 1 })
      await log.append('t', { value: Buffer.from('new'), partition: partitions })
      expect(await take(subscription, 1)).toEqual(['new'])
    }
  })

  it('commits without being asked, so that a crash repeats little', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'b')
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    const loop = subscription[Symbol.asyncIterator]()
    ;(await loop.next()).value?.ack()
    await expect.poll(async () => (await log.committed('g', 't', 0))?.offset).toBe(1)
    await loop.return()
  })

  it('is durable when commit() has resolved, also when another commit was on its way already', async () => {
    const storage = await openMemory()
    await using log = await openLog({ storage })
    await log.createTopic('t')
    await publish(log, 'a', 'b')
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    const loop = subscription[Symbol.asyncIterator]()
    ;(await loop.next()).value?.ack()
    const gate = deferred<void>()
    const commit = storage.commit.bind(storage)
    storage.commit = async (operations, options) => {
      await gate.promise
      await commit(operations, options)
    }
    const turns = async (): Promise<void> => {
      for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
    }
    const first = subscription.commit()
    // Until it has its place in the order of commits.
    await turns()
    let known = false
    const second = subscription.commit().then(() => {
      known = true
    })
    await turns()
    expect(known).toBe(false)
    gate.resolve()
    await Promise.all([first, second])
    expect((await log.committed('g', 't', 0))?.offset).toBe(1)
    await loop.return()
  })

  it('hears from commit() that another has its partitions by now, and can be closed', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a')
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    const loop = subscription[Symbol.asyncIterator]()
    ;(await loop.next()).value?.ack()
    // What a log says to a member that was silent for too long, and does not know it yet.
    log.transaction = () => Promise.reject(new AegisError('GENERATION_FENCED', 'it is another’s'))
    await expect(subscription.commit()).rejects.toMatchObject({ code: 'GENERATION_FENCED' })
    await loop.return()
  })

  it('hears from commit() that what it had acknowledged came too late, of a partition that it does not have any more', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    for (const partition of [0, 1]) await log.append('t', { value: 'a', partition })
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    const loop = subscription[Symbol.asyncIterator]()
    for (const _ of [0, 1]) (await loop.next()).value?.ack()
    const transaction = log.transaction.bind(log)
    log.transaction = () => Promise.reject(new AegisError('GENERATION_FENCED', 'it is another’s'))
    const statuses = subscription.status()
    const other = await subscribe(log, { groupId: 'g' })
    for await (const status of statuses) if (status.type === 'revoked') break
    log.transaction = transaction
    await expect(subscription.commit()).rejects.toMatchObject({ code: 'GENERATION_FENCED' })
    await subscription.commit()
    await loop.return()
    await other.close()
  })

  it('keeps what is acknowledged while the partition is being given away', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    for (const partition of [0, 0, 1, 1]) await log.append('t', { value: 'a', partition })
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    const loop = subscription[Symbol.asyncIterator]()
    const items: (Item | undefined)[] = []
    while (items.length < 4) items.push((await loop.next()).value)
    for (const item of items.filter((_, at) => at % 2 === 0)) item?.ack()
    const transaction = log.transaction.bind(log)
    log.transaction = async (...work) => {
      log.transaction = transaction
      const result = await transaction(...work)
      for (const item of items) item?.ack()
      return result
    }
    const taking = await log.join({ groupId: 'g', topic: 't', onAssignment: async () => undefined })
    await expect.poll(() => taking.partitions.size).toBe(1)
    const [given = 0] = taking.partitions
    expect((await log.committed('g', 't', given))?.offset).toBe(given === 0 ? 2 : 4)
    await taking.leave()
    await loop.return()
  })

  it('with mode shared hands over nothing of a partition that is being given away', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    for (const partition of [0, 0, 1, 1]) await log.append('t', { value: 'a', partition })
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest', mode: 'shared', autoCommit: true })
    const loop = subscription[Symbol.asyncIterator]()
    const first = (await loop.next()).value
    const statuses = subscription.status()
    const transaction = log.transaction.bind(log)
    const gate = deferred<void>()
    log.transaction = async (...work) => {
      await gate.promise
      return transaction(...work)
    }
    const joining = log.join({ groupId: 'g', topic: 't', onAssignment: async () => undefined })
    const given = new Set<number>()
    for await (const status of statuses) {
      if (status.type === 'revoked') for (const partition of status.partitions) given.add(partition)
      if (given.size > 0) break
    }
    const second = loop.next()
    const rest = Promise.all([second, loop.next()])
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    gate.resolve()
    for (const partition of [0, 0, 1, 1]) await log.append('t', { value: 'z', partition })
    for (const { value } of await rest) expect(given).not.toContain(value?.partition)
    expect(first).toBeDefined()
    await (await joining).leave()
    await loop.return()
  })

  it('keeps what was acknowledged of a partition that is given away beside one that is another’s already', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 4 })
    for (const partition of [0, 1, 2, 3]) await log.append('t', { value: 'a', partition })
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    const loop = subscription[Symbol.asyncIterator]()
    for (const _ of [0, 1, 2, 3]) (await loop.next()).value?.ack()
    const transaction = log.transaction.bind(log)
    let calls = 0
    log.transaction = async (...work) => {
      if (calls++ === 0) throw new AegisError('GENERATION_FENCED', 'it is another’s')
      await new Promise(resolve => setImmediate(resolve))
      return transaction(...work)
    }
    const taking = await log.join({ groupId: 'g', topic: 't', onAssignment: async () => undefined })
    await expect.poll(() => taking.partitions.size).toBe(2)
    const given = await Promise.all([...taking.partitions].map(partition => log.committed('g', 't', partition)))
    expect(given.filter(position => position?.offset !== 0).length).toBe(1)
    log.transaction = transaction
    await taking.leave()
    await loop.return()
  })

  it('of those who share their partitions each hears from commit() what came too late', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    const options = { groupId: 'g', from: 'earliest', mode: 'shared' } as const
    const members = [await subscribe(log, options), await subscribe(log, options)]
    const loops = members.map(member => member[Symbol.asyncIterator]())
    for (const [partition, loop] of loops.entries()) {
      await log.append('t', { value: 'a', partition })
      ;(await loop.next()).value?.ack()
    }
    const transaction = log.transaction.bind(log)
    log.transaction = () => Promise.reject(new AegisError('GENERATION_FENCED', 'it is another’s'))
    const statuses = members[0]!.status()
    // Takes one of the partitions, as another process would.
    const taking = await log.join({ groupId: 'g', topic: 't', onAssignment: async () => undefined })
    for await (const status of statuses) if (status.type === 'revoked') break
    log.transaction = transaction
    for (const member of members) {
      await expect(member.commit()).rejects.toMatchObject({ code: 'GENERATION_FENCED' })
      await member.commit()
    }
    await taking.leave()
    for (const loop of loops) await loop.return()
  })

  it.each(['a loop', 'a run'])(
    'does not hand a message over again in %s when it cannot be counted, for its partition is another’s',
    async way => {
      await using log = await openLog({ memory: true })
      await log.createTopic('t')
      await publish(log, 'a')
      const subscription = await subscribe(log, { groupId: 'g', from: 'earliest', backoff: 0, maxAttempts: 10 })
      const transaction = log.transaction.bind(log)
      const refused = deferred<void>()
      // What a log says to a member that was silent for too long, and does not know it yet.
      const fence = (): void => {
        log.transaction = () => {
          refused.resolve()
          return Promise.reject(new AegisError('GENERATION_FENCED', 'it is another’s'))
        }
      }
      let handed = 0
      const handle = (item: Item): void => {
        handed++
        if (handed === 2) fence()
        if (way === 'a loop') item.nack()
        else throw new Error('again')
      }
      const loop = async (): Promise<void> => {
        for await (const item of subscription) handle(item)
      }
      const running = way === 'a loop' ? loop() : subscription.run(handle)
      await refused.promise
      for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
      expect(handed).toBe(2)
      log.transaction = transaction
      await subscription.close()
      await running
    },
  )

  it('is committed by commit() and never falls back, however acknowledgements come', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, ...'abcdef')
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    const acks: (() => void)[] = []
    const loop = subscription[Symbol.asyncIterator]()
    for (let at = 0; at < 6; at++) acks.push((await loop.next()).value!.ack)
    const committed: (number | undefined)[] = []
    for (const at of [5, 1, 0, 3, 2, 4]) {
      acks[at]!()
      await subscription.commit()
      committed.push((await log.committed('g', 't', 0))?.offset)
    }
    expect(committed).toEqual([0, 0, 2, 2, 4, 6])
    await loop.return()
  })
})

describe('where to start', () => {
  it('is the end, the beginning, an offset or a time', async () => {
    let now = 1000
    await using log = await openLog({ memory: true, now: () => now })
    await log.createTopic('t')
    for (const text of ['a', 'b', 'c']) {
      await publish(log, text)
      now += 1000
    }
    expect(await take(await subscribe(log, { from: 'earliest' }), 3)).toEqual(['a', 'b', 'c'])
    expect(await take(await subscribe(log, { from: { offset: 1 } }), 2)).toEqual(['b', 'c'])
    expect(await take(await subscribe(log, { from: { time: 2500 } }), 1)).toEqual(['c'])
    const latest = await subscribe(log)
    await publish(log, 'd')
    expect(await take(latest, 1)).toEqual(['d'])
  })

  it('is refused when it makes no sense, as any other option', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const wrong: object[] = [
      { from: 'start' },
      { from: { offset: -1 } },
      { from: { time: 'noon' } },
      { delivery: 'twice' },
      { delivery: 'exactly-once' },
      { groupId: '' },
      { maxAttempts: 0 },
      { backoff: 'soon' },
      { maxPollRecords: 0 },
      { maxPollBytes: '0MB' },
      { autoComit: true },
    ]
    for (const options of wrong) {
      await expect(subscribe(log, options), JSON.stringify(options)).rejects.toMatchObject({
        code: 'SUBSCRIPTION_INVALID',
      })
    }
    await expect(subscribe(log, {}, 'none')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    expect(await log.listGroups()).toEqual([])
  })
})

describe('a loop', () => {
  it('releases for the group what it has fetched and not acknowledged, when it is left', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'b', 'c')
    for (let round = 0; round < 3; round++) {
      expect(await take(await subscribe(log, { groupId: 'g', from: 'earliest' }), 2)).toEqual(['a', 'b'])
    }
    const throwing = (async () => {
      for await (const item of await subscribe(log, { groupId: 'g' })) {
        item.ack()
        throw new Error('mine')
      }
    })()
    await expect(throwing).rejects.toThrow('mine')
    expect(await take(await subscribe(log, { groupId: 'g' }), 2)).toEqual(['b', 'c'])
  })

  it('is one at a time, and none after closing', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const subscription = await subscribe(log)
    subscription[Symbol.asyncIterator]()
    const busy = expect.objectContaining({ code: 'SUBSCRIPTION_BUSY' })
    expect(() => subscription[Symbol.asyncIterator]()).toThrow(busy)
    await expect(subscription.run(() => undefined)).rejects.toEqual(busy)
    await subscription.close()
    expect(() => subscription[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'SUBSCRIPTION_CLOSED' }))
  })

  it('ends when the subscription is closed or its signal aborts, and throws when the log is closed', async () => {
    const log = await openLog({ memory: true })
    await log.createTopic('t')
    const closing = await subscribe(log)
    const controller = new AbortController()
    const aborted = await subscribe(log, { signal: controller.signal })
    const left = await subscribe(log)
    const loops = [closing, aborted, left].map(subscription => take(subscription, 1))
    await closing.close()
    controller.abort()
    expect(await Promise.all(loops.slice(0, 2))).toEqual([[], []])
    const failed = expect(loops[2]).rejects.toMatchObject({ code: 'SUBSCRIPTION_CLOSED' })
    await log.close()
    await failed
    await expect(subscribe(log, { signal: AbortSignal.abort() })).rejects.toThrow()
  })

  it('ends with the signal of another realm, or of a polyfill, too', async () => {
    class OtherSignal extends EventTarget {
      aborted = false
      reason: unknown = undefined

      abort(): void {
        this.aborted = true
        this.reason = new Error('enough')
        this.dispatchEvent(new Event('abort'))
      }
    }
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const other = new OtherSignal()
    const signal = other as unknown as AbortSignal
    const loop = take(await subscribe(log, { signal }), 1)
    other.abort()
    expect(await loop).toEqual([])
    await expect(subscribe(log, { signal })).rejects.toThrow('enough')
    for (const wrong of [{}, null, 'signal', { aborted: false }]) {
      await expect(subscribe(log, { signal: wrong as never })).rejects.toMatchObject({ code: 'SUBSCRIPTION_INVALID' })
    }
  })

  it('acknowledges the item before with autoCommit, and not the last', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'b', 'c')
    await take(await subscribe(log, { groupId: 'g', from: 'earliest', autoCommit: true }), 2)
    expect(await take(await subscribe(log, { groupId: 'g' }), 2)).toEqual(['b', 'c'])
  })

  it('passes over what is not for the subscriber, and acknowledges it', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'not for us', 'a', 'not for us')
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    const loop = subscription[Symbol.asyncIterator]()
    ;(await loop.next()).value?.ack()
    const ended = loop.next()
    await expect.poll(async () => (await log.committed('g', 't', 0))?.offset).toBe(3)
    await subscription.close()
    expect((await ended).done).toBe(true)
  })
})

describe('at-most-once', () => {
  it('never hands anything over twice, and gives back what was not handed over', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, ...'abcdef')
    const options = { groupId: 'g', from: 'earliest', delivery: 'at-most-once' } as const
    expect(await take(await subscribe(log, options), 2, item => item.nack())).toEqual(['a', 'b'])
    expect(await take(await subscribe(log, options), 1)).toEqual(['c'])
    // A reader that dies leaves the position ahead of everything that it has fetched.
    const dying = (await subscribe(log, options))[Symbol.asyncIterator]()
    await dying.next()
    expect((await log.committed('g', 't', 0))?.offset).toBe(6)
    await dying.return()
  })
})

describe('a handler that throws under at-most-once', () => {
  it('does not get the message again; it is in the dead letters', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'bad', 'good')
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest', delivery: 'at-most-once', backoff: 0 })
    const seen: string[] = []
    await subscription.run(({ text }) => {
      seen.push(text)
      if (text === 'bad') throw new Error('no')
      void subscription.close()
    })
    expect(seen).toEqual(['bad', 'good'])
    expect(await everything(log, 't.dead')).toEqual(['bad'])
    expect((await log.committed('g', 't', 0))?.offset).toBe(2)
  })
})

describe('memory', () => {
  it('is bounded by bytes: no more is fetched than is asked for, and one record always', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    for (let at = 0; at < 20; at++) await log.append('t', { value: Buffer.alloc(10_000, String(at)) })
    const options = { groupId: 'g', from: 'earliest', delivery: 'at-most-once', maxPollBytes: 25_000 } as const
    const loop = (await subscribe(log, options))[Symbol.asyncIterator]()
    await loop.next()
    // Under at-most-once the position shows what was fetched.
    expect((await log.committed('g', 't', 0))?.offset).toBe(3)
    await loop.return()
    const tiny = await subscribe(log, { groupId: 'tiny', from: 'earliest', maxPollBytes: 1 })
    expect(await take(tiny, 20, item => item.ack())).toHaveLength(20)
  })
})

describe('without a group', () => {
  it('everyone gets everything, and acknowledging does nothing', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    await publish(log, ...'abcd')
    const all = await Promise.all(
      [1, 2, 3].map(async () => (await take(await subscribe(log, { from: 'earliest' }), 4, item => item.ack())).sort()),
    )
    expect(all).toEqual([[...'abcd'], [...'abcd'], [...'abcd']])
    await expect((await subscribe(log)).lag()).rejects.toMatchObject({ code: 'SUBSCRIPTION_INVALID' })
  })

  it('a record that cannot be read ends the loop with its error, or is skipped', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'unreadable', 'b')
    await expect(take(await subscribe(log, { from: 'earliest' }), 2)).rejects.toThrow('not readable')
    expect(await take(await subscribe(log, { from: 'earliest', onError: 'skip' }), 2)).toEqual(['a', 'b'])
  })
})

describe('an Observable', () => {
  it('gives the items, and closes the subscription when nobody listens', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, ...'abc')
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest' })
    const closed = new Promise<void>(resolve => subscription.onClose(resolve))
    const texts: string[] = []
    const listening = subscription.asObservable().subscribe(item => {
      item.ack()
      if (texts.push(item.text) === 2) listening.unsubscribe()
    })
    await closed
    expect(texts).toEqual(['a', 'b'])
    expect(await take(await subscribe(log, { groupId: 'g' }), 1)).toEqual(['c'])
  })

  it('passes errors on', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'unreadable')
    const subscription = await subscribe(log, { from: 'earliest' })
    const error = await new Promise(resolve => subscription.asObservable().subscribe({ error: resolve }))
    expect(error).toMatchObject({ message: 'not readable' })
  })
})
