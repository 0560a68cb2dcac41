import { type Log, openLog, type Transaction } from '@aegis/log'
import { FaultyDisk } from '@aegis/storage/testing'
import fc from 'fast-check'
import { afterEach, expect, it, vi } from 'vitest'
import type { Subscription } from '../src/index.ts'
import { everything, type Item, subscribe } from './items.ts'

// What a handler does after it has written; the promise is about what is there in the end, whatever the handlers have done.
type Outcome = 'return' | 'wait' | 'throw' | 'nack' | 'nack for 40 s'
type Step =
  | { readonly do: 'publish'; readonly keys: readonly number[] }
  | { readonly do: 'join' | 'crash' }
  | { readonly do: 'leave'; readonly member: number }
  | { readonly do: 'wait'; readonly milliseconds: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      keys: fc.array(fc.nat(2), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('join' as const, 'crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), member: fc.nat(2) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), milliseconds: fc.constantFrom(1000, 45_000) }),
  },
)
const outcome = fc.constantFrom<Outcome>('return', 'return', 'return', 'wait', 'wait', 'throw', 'nack', 'nack for 40 s')

const maxAttempts = 3
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
  await vi.advanceTimersByTimeAsync(0)
}

afterEach(() => void vi.useRealTimers())

it('exactly once: each message has its outputs once or is dead, in the order of its partition, whatever happens', async () => {
  const aCase = fc.record({
    steps: fc.array(step, { maxLength: 25 }),
    outcomes: fc.array(outcome, { maxLength: 60 }),
    partitions: fc.integer({ min: 1, max: 3 }),
    concurrency: fc.integer({ min: 1, max: 3 }),
    // Some steps come while transactions are on their way.
    patience: fc.constantFrom(0, 1, 12),
    shared: fc.boolean(),
    seed: fc.nat(),
  })
  await fc.assert(fc.asyncProperty(aCase, run), { numRuns: 150 })
}, 120_000)

interface Case {
  readonly steps: readonly Step[]
  readonly outcomes: readonly Outcome[]
  readonly partitions: number
  readonly concurrency: number
  readonly patience: number
  readonly shared: boolean
  readonly seed: number
}

async function run({ steps, outcomes, partitions, concurrency, patience, shared, seed }: Case): Promise<void> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'], now: 1_000_000 })
  const disk = new FaultyDisk({ seed })
  let log: Log = await openLog({ storage: await disk.open() })
  await log.createTopic('t', { partitions })
  await log.createTopic('out')
  const todo = [...outcomes]
  const places = new Map<string, { readonly partition: number; readonly offset: number }>()
  /** What may have been overtaken: it was put aside. */
  const aside = new Set<string>()
  let members: { readonly subscription: Subscription<Item>; readonly running: Promise<void> }[] = []
  let failure: { readonly error: unknown } | undefined

  async function handle({ text, attempts, nack }: Item, tx: Transaction): Promise<void> {
    if (attempts > maxAttempts) failure ??= { error: new Error(`${text} is tried for the ${attempts}th time`) }
    tx.append('out', { value: text })
    // In conflict with all others that are on their way.
    const count = Number(Buffer.from((await tx.getState('s', Buffer.from('count'))) ?? []).toString())
    tx.putState('s', Buffer.from('count'), Buffer.from(String(count + 1)))
    switch (todo.shift() ?? 'return') {
      case 'wait':
        await turns(3)
        break
      case 'throw':
        throw new Error('no')
      case 'nack':
        nack({ delay: 0 })
        break
      case 'nack for 40 s':
        aside.add(text)
        nack({ delay: 40_000 })
        break
      case 'return':
        break
    }
  }

  async function join(): Promise<void> {
    const here = log
    const options = { groupId: 'g', from: 'earliest', delivery: 'exactly-once', backoff: 0, maxAttempts } as const
    const subscription = await subscribe(here, { ...options, mode: shared ? 'shared' : 'partitioned' })
    const running = subscription.run(handle, { concurrency }).catch((error: unknown) => {
      // Of a log that has crashed.
      if (here === log) failure ??= { error }
    })
    members.push({ subscription, running })
  }

  async function crash(): Promise<void> {
    const crashed = log
    members = []
    log = undefined as unknown as Log
    await disk.crash()
    await crashed.close().catch(() => undefined)
    log = await openLog({ storage: await disk.open() })
  }

  let published = 0
  await join()
  for (const current of steps) {
    switch (current.do) {
      case 'publish':
        for (const key of current.keys) {
          const text = String(published++)
          places.set(text, (await log.append('t', { value: text, key: `k${key}` })).positions[0]!)
        }
        break
      case 'join':
        if (members.length < 3) await join()
        break
      case 'crash':
        await crash()
        await join()
        break
      case 'leave': {
        const [member] = members.splice(current.member % Math.max(1, members.length), 1)
        await Promise.all([member?.subscription.close(), member?.running, turns(20)])
        break
      }
      case 'wait':
        await vi.advanceTimersByTimeAsync(current.milliseconds)
        break
    }
    await turns(patience)
    if (failure !== undefined) throw failure.error
  }
  todo.length = 0
  if (members.length === 0) await join()
  const left = async (): Promise<number> => {
    const lag = (await log.lag('g', 't')).reduce((sum, each) => sum + each.lag, 0)
    return lag + published - (await everything(log, 'out')).length - (await dead()).length
  }
  const dead = async (): Promise<string[]> =>
    (await log.listTopics()).some(({ name }) => name === 't.dead') ? everything(log, 't.dead') : []
  for (let round = 0; round < 60 && (await left()) > 0; round++) {
    await vi.advanceTimersByTimeAsync(5_000)
    await turns(30)
    if (failure !== undefined) throw failure.error
  }
  for (const { subscription, running } of members) await Promise.all([subscription.close(), running, turns(20)])
  const [out, letters] = [await everything(log, 'out'), await dead()]
  const all = [...out, ...letters].map(Number).sort((a, b) => a - b)
  expect(all).toEqual(Array.from({ length: published }, (_, number) => number))
  expect(Number(Buffer.from((await log.getState('s', Buffer.from('count'))) ?? []).toString())).toBe(out.length)
  if (!shared) {
    for (let partition = 0; partition < partitions; partition++) {
      const own = out.filter(text => places.get(text)!.partition === partition && !aside.has(text))
      const offsets = own.map(text => places.get(text)!.offset)
      expect(offsets, `order of partition ${partition}`).toEqual([...offsets].sort((a, b) => a - b))
    }
  }
  await log.close()
}
