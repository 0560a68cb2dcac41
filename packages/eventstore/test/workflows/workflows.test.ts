import fc from 'fast-check'
import { expect, it } from 'vitest'
import { describeEachLog } from '../../../../tooling/test/each-log.ts'
import { EventStore, type StoredEvent } from '../../src/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import {
  cancel,
  complete,
  publish,
  schedule,
  send,
  startWorkflows,
  type Workflow,
  type WorkflowOutput,
} from '../../src/workflows/index.ts'

type Input =
  | { type: 'OrderPlaced'; data: { order: string; minutes?: number } }
  | { type: 'PaymentReceived'; data: { order: string } }
  | { type: 'PaymentTimedOut'; data: { order: string } }
type Output = { type: 'OrderConfirmed' | 'OrderCancelled'; data: { order: string } }
type State = { paid: boolean; inputs: string[] }

const payment: Workflow<Input, State, Output, string> = {
  name: 'payment',
  streams: 'order-*',
  types: ['OrderPlaced', 'PaymentReceived'],
  correlate: ({ data }) => data.order,
  initialState: () => ({ paid: false, inputs: [] }),
  decide({ type, data }, state): WorkflowOutput<Input, Output, string>[] {
    const { order } = data
    switch (type) {
      case 'OrderPlaced':
        return [schedule('payment', { type: 'PaymentTimedOut', data: { order } }, { after: `${data.minutes ?? 15}m` })]
      case 'PaymentReceived':
        return state.paid
          ? []
          : [cancel('payment'), publish(`shipping-${order}`, { type: 'OrderConfirmed', data: { order } }), complete()]
      case 'PaymentTimedOut':
        return [publish(`shipping-${order}`, { type: 'OrderCancelled', data: { order } }), complete()]
    }
  },
  evolve: (state, { type }) => ({ paid: state.paid || type === 'PaymentReceived', inputs: [...state.inputs, type] }),
}

const placed = (order: string, minutes?: number): Input => ({
  type: 'OrderPlaced',
  data: { order, ...(minutes !== undefined && { minutes }) },
})
const paid = (order: string): Input => ({ type: 'PaymentReceived', data: { order } })

const outputs = async (store: EventStore, order = '1'): Promise<string[]> =>
  (await store.load(`shipping-${order}`)).map(({ type }) => type)

describeEachLog('workflows', open => {
  it('events and timers lead to events: paid in time it is confirmed, else cancelled, and either once', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const clock = new ManualClock()
    await using runner = await startWorkflows(store, [payment], { clock })
    await store.append('order-1', placed('1'))
    await store.append('order-2', placed('2'))
    const { position } = await store.append('order-1', paid('1'))
    await runner.waitFor('payment', position)
    expect([await outputs(store, '1'), await outputs(store, '2')]).toEqual([['OrderConfirmed'], []])
    expect(await runner.instance<State>('payment', '2')).toEqual({
      state: { paid: false, inputs: ['OrderPlaced'] },
      timers: [['payment', clock.now() + 900_000]],
    })
    clock.advance('14m')
    await runner.caughtUp('payment')
    expect(await outputs(store, '2')).toEqual([])
    clock.advance('1m')
    await runner.caughtUp('payment')
    clock.advance('7d')
    await store.append('order-1', paid('1'))
    await store.append('order-2', paid('2'))
    await runner.caughtUp('payment')
    expect([await outputs(store, '1'), await outputs(store, '2')]).toEqual([['OrderConfirmed'], ['OrderCancelled']])
    expect(await runner.instance('payment', '2')).toEqual({ completed: true, timers: [] })
    expect(await runner.instance('payment', '3')).toBeUndefined()
  })

  it('what follows knows what it follows from', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const clock = new ManualClock()
    await using runner = await startWorkflows(store, [payment], { clock })
    await store.append('order-1', placed('1'), { correlationId: 'basket-7' })
    await store.append('order-2', placed('2'))
    const { ids } = await store.append('order-2', paid('2'))
    await runner.caughtUp('payment')
    clock.advance('15m')
    await runner.caughtUp('payment')
    const [cancelled, confirmed] = [(await store.load('shipping-1'))[0]!, (await store.load('shipping-2'))[0]!]
    expect(confirmed.metadata).toEqual({ correlationId: '2', causationId: ids[0] })
    expect(cancelled.metadata).toEqual({ correlationId: 'basket-7', causationId: expect.any(String) })
  })

  it('timers outlive restarts, and fire when they became due meanwhile, after the events that were stored meanwhile', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const clock = new ManualClock()
    {
      await using runner = await startWorkflows(store, [payment], { clock })
      await store.append('order-1', placed('1'))
      await store.append('order-2', placed('2'))
      await store.append('order-3', placed('3', 60))
      await runner.caughtUp('payment')
    }
    clock.advance('30m')
    await store.append('order-2', paid('2'))
    await using runner = await startWorkflows(store, [payment], { clock })
    await runner.caughtUp('payment')
    expect(await Promise.all(['1', '2', '3'].map(order => outputs(store, order)))).toEqual([
      ['OrderCancelled'],
      ['OrderConfirmed'],
      [],
    ])
  })

  it('fires by the clock of the system when there is no other', async () => {
    await using log = await open()
    const store = new EventStore(log)
    await using _ = await startWorkflows(store, [payment])
    await store.append('order-1', placed('1', 0))
    for await (const { type } of await store.subscribe('shipping-1')) {
      expect(type).toBe('OrderCancelled')
      break
    }
  })

  it('a timer of the same name is replaced', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const clock = new ManualClock()
    await using runner = await startWorkflows(store, [payment], { clock })
    await store.append('order-1', [placed('1', 10), placed('1', 20)])
    await runner.caughtUp('payment')
    clock.advance('10m')
    await runner.caughtUp('payment')
    expect(await outputs(store)).toEqual([])
    clock.advance('10m')
    await runner.caughtUp('payment')
    expect(await outputs(store)).toEqual(['OrderCancelled'])
  })

  it('a command is carried out in the commit of the input, or the input is not reacted to', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const stock = store.commandHandler<number, string, { type: 'Reserved'; data: string }>({
      initialState: () => 2,
      evolve: left => left - 1,
      decide(order, left) {
        if (left === 0) throw new Error('sold out')
        return { type: 'Reserved', data: order }
      },
    })
    const reserving: Workflow<Input, null, never, string> = {
      name: 'reserving',
      streams: 'order-*',
      onError: 'skip',
      correlate: ({ data }) => data.order,
      initialState: () => null,
      decide: ({ data }) => [send(data.order)],
      evolve: state => state,
      send: (order, tx, { instanceId }) => stock.within(tx).handle('stock', `${order} of ${instanceId}`),
    }
    await using runner = await startWorkflows(store, [reserving])
    for (const order of ['1', '2', '3']) await store.append(`order-${order}`, placed(order))
    await runner.caughtUp('reserving')
    expect((await store.load('stock')).map(({ data }) => data)).toEqual(['1 of 1', '2 of 2'])
    const skipped: unknown[] = []
    for await (const input of runner.skipped('reserving')) skipped.push(input)
    expect(skipped).toEqual([
      { streamId: 'order-3', version: 0, position: expect.any(Number), error: 'Error: sold out' },
    ])
    expect(await runner.instance('reserving', '3')).toBeUndefined()
  })

  it('a workflow that cannot react stops and says where: at an event, at a timer', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const clock = new ManualClock()
    const failures: string[] = []
    const onFailure = (name: string, error: unknown) => failures.push(name, String(error))
    const broken = (name: string, type: Input['type']): typeof payment => ({
      ...payment,
      name,
      decide(input, state, context) {
        if (input.type === type) throw new Error('cannot')
        return payment.decide(input, state, context)
      },
    })
    const workflows = [broken('event', 'OrderPlaced'), broken('timer', 'PaymentTimedOut'), payment]
    await using runner = await startWorkflows(store, workflows, { clock, onFailure })
    await store.append('order-1', placed('1'))
    await expect(runner.caughtUp('event')).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_FAILED' })
    await runner.caughtUp('timer')
    await runner.caughtUp('payment')
    clock.advance('15m')
    await expect(runner.caughtUp('timer')).rejects.toMatchObject({
      code: 'EVENT_PROCESSOR_FAILED',
      details: { instanceId: '1', timer: 'payment' },
    })
    await runner.caughtUp('payment')
    expect(await outputs(store)).toEqual(['OrderCancelled'])
    expect(failures).toEqual([
      'event',
      expect.stringMatching(/workflow event stopped at version 0 of stream order-1/),
      'timer',
      expect.stringMatching(/workflow timer stopped at timer payment of instance 1.*cannot/),
    ])
    expect((await runner.status()).map(({ name, state }) => [name, state])).toEqual([
      ['event', 'failed'],
      ['timer', 'failed'],
      ['payment', 'running'],
    ])
    await runner.close()

    const skipping = { ...broken('timer', 'PaymentTimedOut'), onError: 'skip' as const }
    await using again = await startWorkflows(store, [skipping], { clock })
    await again.caughtUp('timer')
    const skipped: unknown[] = []
    for await (const input of again.skipped('timer')) skipped.push(input)
    expect(skipped).toEqual([{ instanceId: '1', timer: 'payment', due: expect.any(Number), error: 'Error: cannot' }])
    expect(await again.instance('timer', '1')).toMatchObject({ timers: [] })
    expect((await again.status())[0]).toMatchObject({ state: 'running', skipped: 1 })
  })

  it('refuses what is not an output, an instance or a time, and names the workflow', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const base: Workflow = {
      name: 'odd',
      streams: 'odd',
      onError: 'skip',
      correlate: ({ data }) => data.id ?? '1',
      initialState: () => 0,
      decide: ({ data }) => data.outputs,
      evolve: state => state,
    }
    await using runner = await startWorkflows(store, [base])
    const odd = [
      { outputs: [{ action: 'dance' }] },
      { outputs: null },
      { outputs: [null] },
      { outputs: [{ action: 'send', command: 1 }] },
      { outputs: [complete(), publish('x', { type: 'x', data: 1 })] },
      { outputs: [schedule('t', { type: 'x', data: 1 }, { after: 'soon' })] },
      { outputs: [schedule('t', { type: 'x', data: 1 }, { at: -1 })] },
      { outputs: [{ action: 'cancel' }] },
      { id: '', outputs: [] },
      { id: 7, outputs: [] },
      { id: 'x'.repeat(1001), outputs: [] },
    ]
    for (const data of odd) await store.append('odd', { type: 'Odd', data })
    await store.append('odd', {
      type: 'Odd',
      data: { id: '__proto__', outputs: [schedule('__proto__', { type: 'x', data: { outputs: [] } }, { at: 5 })] },
    })
    await runner.caughtUp('odd')
    expect((await runner.status())[0]).toMatchObject({ state: 'running', skipped: odd.length })
    expect(await runner.instance('odd', '__proto__')).toEqual({ state: 0, timers: [] })
    for (const wrong of [{ name: '' }, { from: 'now' }, { onError: 'retry' }, { streams: 'a*b' }])
      await expect(startWorkflows(store, [{ ...base, ...wrong } as Workflow])).rejects.toMatchObject({
        code: 'EVENT_INVALID',
      })
    await expect(startWorkflows(store, [base])).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_RUNNING' })
  })

  it("begins with the first event, or with what comes after its first start when it is 'latest'", async () => {
    await using log = await open()
    const store = new EventStore(log)
    await store.append('order-1', [placed('1'), paid('1')])
    const late = { ...payment, name: 'late', from: 'latest' as const }
    await (await startWorkflows(store, [late])).close()
    await store.append('order-2', [placed('2'), paid('2')])
    await using runner = await startWorkflows(store, [late])
    await runner.caughtUp('late')
    expect([await outputs(store, '1'), await outputs(store, '2')]).toEqual([[], ['OrderConfirmed']])
  })

  it('random orders, payments, times and restarts come to what a plain loop comes to', async () => {
    const order = fc.constantFrom('1', '2', '3')
    const step = fc.oneof(
      fc.record({ place: order, minutes: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ pay: order }),
      fc.record({ advance: fc.integer({ min: 0, max: 15 }) }),
      fc.record({ restart: fc.boolean() }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
        await using log = await open()
        const store = new EventStore(log)
        const clock = new ManualClock(1_000_000)
        const ended = new Map<string, string>()
        const due = new Map<string, number>()
        let runner = await startWorkflows(store, [payment], { clock })
        for (const action of steps) {
          if ('place' in action) {
            await store.append(`order-${action.place}`, placed(action.place, action.minutes))
            if (!ended.has(action.place)) due.set(action.place, clock.now() + action.minutes * 60_000)
          } else if ('pay' in action) {
            await store.append(`order-${action.pay}`, paid(action.pay))
            if (!ended.has(action.pay)) ended.set(action.pay, 'OrderConfirmed')
            due.delete(action.pay)
          } else if ('advance' in action) clock.advance(`${action.advance}m`)
          else {
            await runner.close()
            runner = await startWorkflows(store, [payment], { clock })
          }
          await runner.caughtUp('payment')
          for (const [name, time] of due) {
            if (time > clock.now()) continue
            ended.set(name, 'OrderCancelled')
            due.delete(name)
          }
        }
        const found: StoredEvent[] = []
        for await (const event of store.readAll({ streams: 'shipping-*' })) found.push(event)
        expect(found.map(({ data, type }) => [data.order, type]).sort()).toEqual([...ended].sort())
        await runner.close()
      }),
      { numRuns: 20 },
    )
  }, 60_000)

  it('is not started on other events than those that it has gone through', async () => {
    const log = await open()
    const asked: Workflow = {
      name: 'asked',
      correlate: ({ streamId }) => streamId,
      initialState: () => 0,
      decide: () => [],
      evolve: count => count + 1,
    }
    const store = new EventStore(log)
    const runner = await startWorkflows(store, [asked])
    await store.append('a', { type: 'e', data: 1 })
    await runner.caughtUp('asked')
    await runner.close()
    await log.deleteTopic('$events')
    const again = new EventStore(log)
    await again.append('b', { type: 'e', data: 1 })
    await expect(startWorkflows(again, [asked])).rejects.toMatchObject({ code: 'EVENTS_RECREATED' })
    await using other = await startWorkflows(again, [{ ...asked, name: 'asked anew' }])
    await other.caughtUp('asked anew')
    expect((await other.instance('asked anew', 'b'))?.state).toBe(1)
  })
})
