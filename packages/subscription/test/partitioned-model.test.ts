import { type Log, openLog } from '@aegis/log'
import { FaultyDisk } from '@aegis/storage/testing'
import fc from 'fast-check'
import { afterEach, it, vi } from 'vitest'
import type { Subscription } from '../src/index.ts'
import { deferred, everything, type Item, subscribe } from './items.ts'
import { type Act, type Member, PartitionedModel, type Settings } from './partitioned-model.ts'

type Step =
  | { readonly do: 'publish'; readonly keys: readonly number[] }
  | { readonly do: 'ask'; readonly member: number; readonly act: Act | 'keep' }
  | { readonly do: 'settle'; readonly which: number; readonly act: Act }
  | { readonly do: 'late' | 'leave'; readonly member: number; readonly act: Act }
  | { readonly do: 'pause' | 'resume'; readonly member: number; readonly partition: number }
  | { readonly do: 'seek'; readonly member: number; readonly partition: number; readonly which: number }
  | { readonly do: 'join' | 'commit' | 'crash' }
  | { readonly do: 'wait'; readonly milliseconds: number }

const act = fc.constantFrom<Act>('ack', 'ack', 'ack', 'nack', 'nack', 'nack for 5 s', 'nack for 40 s')
const only = <T extends string>(...does: T[]) => fc.record({ do: fc.constantFrom(...does) })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      keys: fc.array(fc.nat(2), { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      member: fc.nat(2),
      act: fc.oneof(act, fc.constant('keep' as const)),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(5), act }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('late' as const, 'leave' as const), member: fc.nat(2), act }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('pause' as const, 'resume' as const),
      member: fc.nat(2),
      partition: fc.nat(2),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('seek' as const),
      member: fc.nat(2),
      partition: fc.nat(2),
      which: fc.nat(8),
    }),
  },
  { weight: 4, arbitrary: only('join', 'commit', 'crash') },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), milliseconds: fc.constantFrom(1000, 6000, 45_000) }),
  },
)

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 12; turn++) await new Promise(resolve => setImmediate(resolve))
  await vi.advanceTimersByTimeAsync(0)
}

afterEach(() => void vi.useRealTimers())

interface Case extends Settings {
  readonly partitions: number
  readonly concurrency: number
  readonly maxPollRecords: number
  readonly seed: number
}

const aCase: fc.Arbitrary<Case> = fc.record({
  partitions: fc.integer({ min: 1, max: 3 }),
  concurrency: fc.integer({ min: 1, max: 3 }),
  // A page of a few, so that some are fetched and some are not.
  maxPollRecords: fc.constantFrom(2, 500),
  counted: fc.boolean(),
  order: fc.constantFrom(undefined, undefined, 'key' as const, 'key' as const, 'partition' as const, 'none' as const),
  rate: fc.option(
    fc.record(
      { limit: fc.integer({ min: 1, max: 2 }), per: fc.constantFrom(500, 3000), by: fc.constant('key' as const) },
      { requiredKeys: ['limit', 'per'] },
    ),
    { nil: undefined },
  ),
  maxAttempts: fc.constant(3),
  seed: fc.nat(),
})

it('a group gives each message to one member at a time, in order, until it is acknowledged or dead, whatever happens', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), aCase, run), { numRuns: 300 })
}, 120_000)

interface Joined extends Member {
  readonly subscription: Subscription<Item>
  readonly loop: AsyncIterator<Item> | undefined
  readonly running: Promise<void>
  readonly owned: Set<number>
  waiting: boolean
}

async function run(steps: readonly Step[], given: Case): Promise<void> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'], now: 1_000_000 })
  const { order, concurrency, counted, maxPollRecords, partitions } = given
  // Where deliveries are not counted the attempts are those of the default.
  const maxAttempts = counted ? given.maxAttempts : 5
  const rate = order === undefined ? undefined : given.rate
  const model = new PartitionedModel({ order, counted, maxAttempts, rate })
  const disk = new FaultyDisk({ seed: given.seed })
  let log: Log = await openLog({ storage: await disk.open() })
  await log.createTopic('t', { partitions })
  let members: Joined[] = []
  let failure: { readonly error: unknown } | undefined
  const check = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      failure ??= { error }
    }
  }

  async function join(): Promise<void> {
    const here = log
    const options = {
      groupId: 'g',
      from: 'earliest',
      backoff: 0,
      maxPollRecords,
      ...(counted && { maxAttempts }),
    } as const
    const subscription = await subscribe(here, options)
    const failed = (error: unknown): void => {
      // Of a log that has crashed.
      if (here === log) failure ??= { error }
    }
    const handler = async (item: Item): Promise<void> => {
      const { promise, resolve } = deferred<void>()
      if (here !== log) return
      check(() => model.received({ item, member, done: () => resolve() }))
      await promise
    }
    const watch = async (): Promise<void> => {
      for await (const status of subscription.status()) {
        if (status.type === 'assigned') for (const partition of status.partitions) member.owned.add(partition)
        if (status.type !== 'revoked') continue
        for (const partition of status.partitions) member.owned.delete(partition)
        if (here === log) model.released(member, status.partitions)
      }
    }
    const loop = order === undefined ? subscription[Symbol.asyncIterator]() : undefined
    const running =
      order === undefined ? Promise.resolve() : subscription.run(handler, { concurrency, order, ...(rate && { rate }) })
    const member: Joined = {
      subscription,
      loop,
      running: running.catch(failed),
      waiting: false,
      owned: new Set(),
      paused: new Set(),
      begun: [],
    }
    void watch()
    members.push(member)
  }

  function ask(member: Joined | undefined, todo: Act | 'keep'): void {
    if (member?.loop === undefined || member.waiting) return
    member.waiting = true
    const here = log
    member.loop.next().then(
      ({ value: item }) => {
        member.waiting = false
        if (item === undefined || here !== log) return
        check(() => {
          const held = { item, member, done: () => undefined }
          model.received(held)
          if (todo !== 'keep') model.settle(held, todo)
        })
      },
      (error: unknown) => {
        if (here === log) failure ??= { error }
      },
    )
  }

  async function leave(member: Joined, todo: Act): Promise<void> {
    members = members.filter(other => other !== member)
    const closed = member.subscription.close()
    // A loop that is closed has given up what it had; handlers are waited for, those that are late too.
    if (order === undefined) model.released(member)
    else {
      for (const held of model.held(member)) model.settle(held, todo)
      model.settleLate(todo)
    }
    await closed
    await member.running
    model.released(member)
  }

  async function crash(): Promise<void> {
    const crashed = log
    log = undefined as unknown as Log
    members = []
    model.crashed()
    await disk.crash()
    await crashed.close().catch(() => undefined)
    log = await openLog({ storage: await disk.open() })
  }

  const at = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)]
  let published = 0
  await join()
  for (const current of steps) {
    switch (current.do) {
      case 'publish':
        for (const number of current.keys) {
          const [text, key] = [String(published++), `k${number}`]
          model.published(text, key, (await log.append('t', { value: text, key })).positions[0]!)
        }
        break
      case 'ask':
        ask(at(members, current.member), current.act)
        break
      case 'settle': {
        const held = at(model.held(), current.which)
        if (held !== undefined) model.settle(held, current.act)
        break
      }
      case 'late':
        model.settleLate(current.act)
        break
      case 'pause':
      case 'resume': {
        const member = at(members, current.member)
        const of = { topic: 't', partition: current.partition }
        member?.subscription[current.do](of)
        if (current.do === 'resume') member?.paused.delete(of.partition)
        else if (member?.owned.has(of.partition) === true) member.paused.add(of.partition)
        break
      }
      case 'seek': {
        const member = at(members, current.member)
        const { partition } = current
        const to = at(
          [...model.messages.values()].filter(known => known.partition === partition),
          current.which,
        )
        if (member?.owned.has(partition) !== true || to === undefined) break
        model.seeking(partition, to.offset)
        await member.subscription.seek({ offset: to.offset }, { topic: 't', partition })
        model.sought(partition, to.offset)
        break
      }
      case 'join':
        if (members.length < 3) await join()
        break
      case 'leave': {
        const member = at(members, current.member)
        if (member !== undefined) await leave(member, current.act)
        break
      }
      case 'commit':
        await turns()
        await Promise.all(members.map(({ subscription }) => subscription.commit()))
        model.committed()
        break
      case 'crash':
        await crash()
        await join()
        break
      case 'wait':
        await vi.advanceTimersByTimeAsync(current.milliseconds)
        await turns()
        model.intervalPassed()
        break
    }
    await turns()
    if (failure !== undefined) throw failure.error
  }
  // In the end everything that is open is handed over, until it is acknowledged.
  if (members.length === 0) await join()
  for (const { subscription, paused } of members) {
    for (const partition of paused) subscription.resume({ topic: 't', partition })
    paused.clear()
  }
  for (let round = 0; round < 100 && (round < 10 || model.waits); round++) {
    await vi.advanceTimersByTimeAsync(5_000)
    for (let tried = 0; tried <= model.messages.size; tried++) {
      model.settleLate('ack')
      for (const held of model.held()) model.settle(held, 'ack')
      for (const member of members) ask(member, 'ack')
      await turns()
      if (failure !== undefined) throw failure.error
    }
  }
  for (const member of [...members]) await leave(member, 'ack')
  const isThere = (await log.listTopics()).some(({ name }) => name === 't.dead')
  model.checkEnd(isThere ? await everything(log, 't.dead') : [])
  await log.close()
}
