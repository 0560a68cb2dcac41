import { type Log, openLog } from '@aegis/log'
import { FaultyDisk } from '@aegis/storage/testing'
import fc from 'fast-check'
import { afterEach, expect, it, vi } from 'vitest'
import type { Subscription } from '../src/index.ts'
import { everything, type Item, subscribe } from './items.ts'

const lease = 10_000
const extension = 30_000
const maxAttempts = 3
const options = { groupId: 'g', from: 'earliest', mode: 'shared', lease, maxAttempts, backoff: 0 } as const
// What is refused for longer than 30 s is put aside.
const long = 40_000

type Act = 'ack' | 'nack' | 'nack for long' | 'keep'
type Step =
  | { readonly do: 'publish'; readonly count: number }
  | { readonly do: 'ask'; readonly member: number; readonly act: Act }
  | { readonly do: 'settle'; readonly act: Exclude<Act, 'keep'> }
  | { readonly do: 'join' | 'commit' | 'crash' | 'extend' }
  | { readonly do: 'leave'; readonly member: number }
  | { readonly do: 'wait'; readonly milliseconds: number }

const act = fc.constantFrom<Act>('ack', 'ack', 'ack', 'nack', 'nack for long', 'keep', 'keep')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('ask' as const), member: fc.nat(2), act }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      act: fc.constantFrom<Exclude<Act, 'keep'>>('ack', 'nack', 'nack for long'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('join' as const, 'commit' as const, 'crash' as const, 'extend' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), member: fc.nat(2) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      milliseconds: fc.constantFrom(1000, 6000, 11_000, 45_000),
    }),
  },
)

/** What the group knows of a message, as far as the model can say. */
interface Known {
  /** How often it was handed over, and how often it may have been counted besides, by crashes. */
  attempts: number
  extra: number
  state: 'open' | 'acked' | 'dead'
  /** Something was said of it since the last commit: a crash may undo that. */
  uncertain: boolean
  /** It was done, and a crash has perhaps undone it. */
  perhapsDone: boolean
  heldUntil: number
  notBefore: number
}

class Model {
  readonly messages = new Map<string, Known>()
  log!: Log
  members: { readonly subscription: Subscription<Item>; readonly loop: AsyncIterator<Item>; waiting: boolean }[] = []
  /** Handed over and not settled. */
  held: Item[] = []
  failure: { readonly error: unknown } | undefined

  received(item: Item, todo: Act): void {
    const known = this.messages.get(item.text)!
    const now = Date.now()
    expect(known.state, `${item.text} is delivered and was done`).toBe('open')
    expect(known.heldUntil, `${item.text} is delivered while it is leased`).toBeLessThanOrEqual(now)
    expect(known.notBefore, `${item.text} is delivered before it is due`).toBeLessThanOrEqual(now)
    expect(item.attempts).toBeGreaterThan(known.attempts)
    expect(item.attempts).toBeLessThanOrEqual(known.attempts + known.extra + 1)
    known.extra -= item.attempts - known.attempts - 1
    known.attempts = item.attempts
    known.perhapsDone = false
    // From half of the lease on are left.
    known.heldUntil = now + lease / 2
    if (todo === 'keep') this.held.push(item)
    else this.settle(item, todo)
  }

  settle(item: Item, todo: Exclude<Act, 'keep'>): void {
    const known = this.messages.get(item.text)!
    // Late: it may be another's already.
    if (item.attempts !== known.attempts || known.state !== 'open' || known.heldUntil <= Date.now()) return
    known.heldUntil = 0
    if (todo === 'ack') {
      item.ack()
      known.state = 'acked'
      known.uncertain = true
      return
    }
    const delay = todo === 'nack' ? 0 : long
    item.nack({ delay })
    known.uncertain = true
    known.notBefore = Date.now() + delay
    if (item.attempts >= maxAttempts) known.state = 'dead'
  }
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 12; turn++) await new Promise(resolve => setImmediate(resolve))
  await vi.advanceTimersByTimeAsync(0)
}

afterEach(() => void vi.useRealTimers())

it('a shared group leases each message to one member at a time until it is acknowledged or dead, whatever happens', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), fc.nat(), run), {
    numRuns: 300,
  })
}, 60_000)

async function run(steps: readonly Step[], partitions: number, seed: number): Promise<void> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'], now: 1_000_000 })
  const disk = new FaultyDisk({ seed })
  const model = new Model()
  model.log = await openLog({ storage: await disk.open() })
  await model.log.createTopic('t', { partitions })
  let published = 0
  const join = async (): Promise<void> => {
    const subscription = await subscribe(model.log, options)
    model.members.push({ subscription, loop: subscription[Symbol.asyncIterator](), waiting: false })
  }
  const ask = (at: number, todo: Act): void => {
    const member = model.members[at % Math.max(1, model.members.length)]
    if (member === undefined || member.waiting) return
    member.waiting = true
    const { log } = model
    member.loop.next().then(
      ({ value }) => {
        member.waiting = false
        // What a member of a log that has crashed gets is nothing that was delivered.
        if (value === undefined || log !== model.log) return
        try {
          model.received(value, todo)
        } catch (error) {
          model.failure ??= { error }
        }
      },
      // Of a log that has crashed.
      (error: unknown) => {
        if (log === model.log) model.failure ??= { error }
      },
    )
  }
  const crash = async (): Promise<void> => {
    const { log } = model
    for (const known of model.messages.values()) {
      // It may have been leased in advance.
      if (known.state === 'open' || known.uncertain) known.extra++
      if (!known.uncertain) continue
      // The lease outlives its holder, and what was said of it may have reached the disk or not.
      known.uncertain = false
      known.notBefore = 0
      known.perhapsDone ||= known.state !== 'open'
      known.state = 'open'
    }
    model.members = []
    model.held = []
    model.log = undefined as unknown as Log
    await disk.crash()
    await log.close().catch(() => undefined)
    model.log = await openLog({ storage: await disk.open() })
  }
  await join()
  for (const current of steps) {
    switch (current.do) {
      case 'publish':
        for (let at = 0; at < current.count; at++) {
          const text = String(published++)
          model.messages.set(text, {
            attempts: 0,
            extra: 0,
            state: 'open',
            uncertain: false,
            perhapsDone: false,
            heldUntil: 0,
            notBefore: 0,
          })
          await model.log.append('t', { value: text, key: text })
        }
        break
      case 'ask':
        ask(current.member, current.act)
        break
      case 'settle': {
        const item = model.held.shift()
        if (item !== undefined) model.settle(item, current.act)
        break
      }
      case 'extend': {
        const item = model.held[0]
        const known = item === undefined ? undefined : model.messages.get(item.text)
        // Not where it may be another's already.
        if (known === undefined || known.attempts !== item!.attempts || known.heldUntil <= Date.now()) break
        await item!.extend(extension)
        known.heldUntil = Date.now() + extension
        break
      }
      case 'join':
        if (model.members.length < 3) await join()
        break
      case 'commit':
        await turns()
        if (model.members[0] === undefined) break
        await model.members[0].subscription.commit()
        for (const known of model.messages.values()) if (known.state === 'acked') known.uncertain = false
        break
      case 'crash':
        await crash()
        await join()
        break
      case 'leave': {
        const [member] = model.members.splice(current.member % Math.max(1, model.members.length), 1)
        if (member === undefined) break
        // What it has is for the others at once.
        const mine = model.held
        model.held = []
        for (const item of mine) {
          const known = model.messages.get(item.text)!
          if (known.attempts === item.attempts && known.state === 'open') known.heldUntil = 0
        }
        await member.subscription.close()
        break
      }
      case 'wait':
        await vi.advanceTimersByTimeAsync(current.milliseconds)
        break
    }
    await turns()
    if (model.failure !== undefined) throw model.failure.error
  }
  // In the end everything that is open is handed over, until it is acknowledged.
  model.held = []
  if (model.members.length === 0) await join()
  for (let round = 0; round < 40; round++) {
    await vi.advanceTimersByTimeAsync(5_000)
    for (let at = 0; at <= model.messages.size; at++) {
      ask(0, 'ack')
      await turns()
    }
    if (model.failure !== undefined) throw model.failure.error
    const open = [...model.messages.values()].filter(({ state }) => state === 'open')
    if (open.length === 0 && round > 10) break
  }
  const dead = (await model.log.listTopics()).some(({ name }) => name === 't.dead')
    ? await everything(model.log, 't.dead')
    : []
  for (const [text, known] of model.messages) {
    if (known.state === 'dead') expect(dead, `${text} is dead`).toContain(text)
    // Exhausted by deliveries that nobody saw, or whose lease has lapsed.
    else if (known.state === 'open' && !known.perhapsDone) expect(dead, `${text} is lost`).toContain(text)
    else if (known.state === 'acked' && known.attempts < maxAttempts)
      expect(dead, `${text} was acknowledged`).not.toContain(text)
  }
  for (const { subscription } of model.members) await subscription.close()
  await model.log.close()
}
