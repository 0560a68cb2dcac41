import { AssertionError } from 'node:assert'
import { expect, it } from 'vitest'
import { AggregateRoot, type Decider, Event, type Metadata } from '../../src/index.ts'
import type { AsyncProjection, Documents } from '../../src/projections/index.ts'
import {
  aggregateSpecification,
  deciderSpecification,
  ManualClock,
  projectionSpecification,
  workflowSpecification,
} from '../../src/testing/index.ts'
import { complete, publish, schedule, type Workflow, type WorkflowOutput } from '../../src/workflows/index.ts'

type Deposited = { type: 'Deposited'; data: { amount: number }; metadata?: Metadata | undefined }
type Withdrawn = { type: 'Withdrawn'; data: { amount: number } }
type AccountEvent = Deposited | Withdrawn
const deposited = (amount: number): Deposited => ({ type: 'Deposited', data: { amount } })
const withdrawn = (amount: number): Withdrawn => ({ type: 'Withdrawn', data: { amount } })

class Insufficient extends Error {}

const account: Decider<number, { withdraw: number }, AccountEvent> = {
  initialState: () => 0,
  evolve: (balance, { type, data }) => (type === 'Deposited' ? balance + data.amount : balance - data.amount),
  decide({ withdraw }, balance) {
    if (withdraw > balance) throw new Insufficient(`only ${balance}`)
    return withdraw === 0 ? [] : withdrawn(withdraw)
  },
}

class Account extends AggregateRoot<AccountEvent> {
  balance = 0
  apply(event: AccountEvent) {
    this.balance = account.evolve(this.balance, event)
  }
  withdraw(amount: number) {
    for (const event of [account.decide({ withdraw: amount }, this.balance)].flat()) this.raise(event as AccountEvent)
  }
}

const refused = async (work: Promise<void>): Promise<AssertionError> => {
  const error = await work.catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(AssertionError)
  return error as AssertionError
}

it('a decider: given events, when a command, then events, nothing or an error', async () => {
  const specification = deciderSpecification(account)
  const given = specification.given(deposited(5), withdrawn(1))
  await given.when({ withdraw: 3 }).thenExpect(withdrawn(3))
  await given.when({ withdraw: 0 }).thenNothing()
  await given.when({ withdraw: 5 }).thenThrows()
  for (const expected of [
    Insufficient,
    /only 4/,
    { message: 'only 4' },
    (error: unknown) => error instanceof Insufficient,
  ])
    await given.when({ withdraw: 5 }).thenThrows(expected)
  await deciderSpecification({ ...account, decide: async () => [withdrawn(1), withdrawn(2)] })
    .given()
    .when({ withdraw: 1 })
    .thenExpect(withdrawn(1), withdrawn(2))
})

it('says what is other than expected', async () => {
  const given = deciderSpecification(account).given(deposited(5))
  const other = await refused(given.when({ withdraw: 3 }).thenExpect(withdrawn(4)))
  expect(other.message).toMatch(/Other events than expected[\s\S]*-\s+amount: 4|\+\s+amount: 3/)
  expect(other.actual).toEqual([withdrawn(3)])
  await refused(given.when({ withdraw: 3 }).thenExpect())
  await refused(given.when({ withdraw: 3 }).thenExpect(withdrawn(3), withdrawn(3)))
  await refused(given.when({ withdraw: 3 }).thenNothing())
  await refused(given.when({ withdraw: 0 }).thenExpect(withdrawn(0)))
  expect((await refused(given.when({ withdraw: 3 }).thenThrows())).message).toContain('Withdrawn')
  await expect(given.when({ withdraw: 9 }).thenThrows(TypeError)).rejects.toThrow()
  await refused(given.when({ withdraw: 9 }).thenThrows(/other/))
  await expect(given.when({ withdraw: 9 }).thenExpect(withdrawn(9))).rejects.toBeInstanceOf(Insufficient)
})

it('of metadata and ids it compares what is expected, and an Event is as good as its plain form', async () => {
  const decider: Decider<null, null, Deposited> = {
    initialState: () => null,
    evolve: state => state,
    decide: () => ({ ...deposited(1), metadata: { by: 'ada' } }),
  }
  const when = deciderSpecification(decider).given().when(null)
  await when.thenExpect(deposited(1))
  await when.thenExpect({ ...deposited(1), metadata: { by: 'ada' } })
  await refused(when.thenExpect({ ...deposited(1), metadata: { by: 'eve' } }))
  await when.thenExpect(new Event('Deposited', { amount: 1 }))
})

it('an aggregate: given events, when methods are called, then events are raised', async () => {
  const given = aggregateSpecification(Account).given(deposited(5))
  await given.when(aggregate => aggregate.withdraw(3)).thenExpect(withdrawn(3))
  await given.when(aggregate => aggregate.withdraw(6)).thenThrows(Insufficient)
  await given.when(() => undefined).thenNothing()
  await refused(given.when(aggregate => aggregate.withdraw(3)).thenExpect(withdrawn(2)))
})

const balances: AsyncProjection<AccountEvent, Documents<number>> = {
  name: 'balances',
  streams: 'account-*',
  async apply(event, model) {
    model.put(event.streamId, account.evolve((await model.get(event.streamId)) ?? 0, event))
  },
}

it('a projection: given events in streams, then documents, live and rebuilt', async () => {
  const given = projectionSpecification(balances).given(
    { streamId: 'account-1', ...deposited(5) },
    { streamId: 'other', ...deposited(100) },
    { streamId: 'account-2', ...deposited(7) },
    { streamId: 'account-1', ...withdrawn(2) },
  )
  await given.thenExpect({ 'account-1': 3, 'account-2': 7 })
  await given.thenExpect(async model => expect(await model.get('account-2')).toBe(7))
  await refused(given.thenExpect({ 'account-1': 3 }))
  let applied = 0
  const impure = {
    ...balances,
    apply: (_: unknown, model: { put(key: string, value: number): void }) => model.put('n', ++applied),
  }
  await refused(
    projectionSpecification(impure)
      .given({ streamId: 'account-1', ...deposited(5) })
      .thenExpect({ n: 1 }),
  )
  const failing = { ...balances, apply: () => Promise.reject(new Insufficient('no')) }
  await expect(
    projectionSpecification(failing)
      .given({ streamId: 'account-1', ...deposited(5) })
      .thenExpect({}),
  ).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_FAILED', cause: expect.any(Insufficient) })
})

type Input = { type: 'Placed'; data: string } | { type: 'TimedOut'; data: string }
type Output = { type: 'Cancelled'; data: string }

const ordering: Workflow<Input, number, Output> = {
  name: 'ordering',
  correlate: ({ data }) => data,
  initialState: () => 0,
  decide({ type, data }, count, { now, instanceId }): WorkflowOutput<Input, Output>[] {
    if (count > 1) throw new Insufficient('too often')
    if (type === 'Placed') return [schedule('timeout', { type: 'TimedOut', data }, { at: now + 5 })]
    return [publish(instanceId, { type: 'Cancelled', data }), complete()]
  },
  evolve: count => count + 1,
}

it('a workflow: given inputs, when another comes, then outputs', async () => {
  const placed: Input = { type: 'Placed', data: '1' }
  const timedOut: Input = { type: 'TimedOut', data: '1' }
  const specification = workflowSpecification(ordering, { instanceId: 'order-1', now: 1000 })
  await specification
    .given()
    .when(placed)
    .thenExpect(schedule('timeout', timedOut, { at: 1005 }))
  await specification
    .given(placed)
    .when(timedOut)
    .thenExpect(publish('order-1', { type: 'Cancelled', data: '1' }), complete())
  await specification.given(placed, timedOut).when(placed).thenNothing()
  await specification.given(placed, placed).when(placed).thenThrows(Insufficient)
  await refused(specification.given(placed).when(timedOut).thenExpect(complete()))
})

it('a clock calls back when it is moved, the earliest first, also for what is asked for meanwhile', () => {
  const clock = new ManualClock(new Date(1000))
  const calls: [string, number][] = []
  const note = (name: string) => () => void calls.push([name, clock.now()])
  clock.schedule(note('late'), 20)
  clock.schedule(() => {
    note('first')()
    clock.schedule(note('after it'), 5)
  }, 10)
  clock.schedule(note('never'), 12)()
  clock.schedule(note('beyond'), 60_000)
  clock.advance('1s')
  expect([clock.now(), calls]).toEqual([
    2000,
    [
      ['first', 1010],
      ['after it', 1015],
      ['late', 1020],
    ],
  ])
  expect(() => clock.advance('soon')).toThrow(/soon/)
})
