import type { Transaction } from '@aegis/log'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { describeEachLog } from '../../../../tooling/test/each-log.ts'
import { EventStore } from '../../src/index.ts'
import {
  type AsyncProjection,
  Documents,
  type ProjectionRunner,
  readModel,
  startProjections,
} from '../../src/projections/index.ts'

type AccountEvent =
  | { type: 'Deposited'; data: { amount: number } }
  | { type: 'Withdrawn'; data: { amount: number } }
  | { type: 'Closed'; data: null }

const balances: AsyncProjection<AccountEvent, Documents<number>> = {
  name: 'balances',
  streams: 'account-*',
  async apply({ type, data, streamId }, model) {
    if (type === 'Closed') model.delete(streamId)
    else model.put(streamId, ((await model.get(streamId)) ?? 0) + (type === 'Deposited' ? data.amount : -data.amount))
  },
}

const deposit = (amount: number): AccountEvent => ({ type: 'Deposited', data: { amount } })

async function contents<V>(store: EventStore, projection: AsyncProjection<AccountEvent, Documents<V>>) {
  const found: Record<string, V> = {}
  for await (const [key, value] of (await readModel(store, projection)).scan()) found[key] = value
  return found
}

const settled = (runner: ProjectionRunner, name = 'balances') => runner.caughtUp(name)

const turnOfTheLoop = () => new Promise(resolve => setImmediate(resolve))

describeEachLog('projections', open => {
  it('readers see their own writes once they have waited for the position of the append', async () => {
    await using log = await open()
    const store = new EventStore(log)
    await using runner = await startProjections(store, [balances])
    for (let n = 1; n <= 30; n++) {
      const { position } = await store.append('account-1', deposit(1))
      await runner.waitFor('balances', position)
      expect(await (await readModel(store, balances)).get('account-1')).toBe(n)
    }
    await runner.waitFor('balances', -1)
  })

  it('waiting ends by signal, by timeout, by close, and says what was waited for', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const runner = await startProjections(store, [balances])
    const stop = new AbortController()
    const aborted = runner.waitFor('balances', 1000, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    await expect(runner.waitFor('balances', 1000, { timeout: 1 })).rejects.toMatchObject({
      code: 'EVENT_PROCESSOR_TIMEOUT',
      message: expect.stringContaining('projection balances'),
    })
    await expect(runner.waitFor('nobody', 0)).rejects.toMatchObject({ code: 'EVENT_INVALID' })
    await expect(runner.waitFor('balances', Number.NaN)).rejects.toMatchObject({ code: 'EVENT_INVALID' })
    const closed = runner.waitFor('balances', 1000)
    const refused = expect(closed).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_CLOSED' })
    await runner.close()
    await refused
    await expect(runner.waitFor('balances', 1000)).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_CLOSED' })
  })

  it('closing the store closes its projections, and a name is free again then', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const runner = await startProjections(store, [balances])
    await expect(startProjections(store, [balances])).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_RUNNING' })
    await store.close()
    expect((await runner.status())[0]!.state).toBe('closed')
    await using _ = await startProjections(new EventStore(log), [balances])
  })

  it('goes on after a restart where it was, and applies nothing twice', async () => {
    await using log = await open()
    const store = new EventStore(log)
    for (let round = 1; round <= 5; round++) {
      await using runner = await startProjections(store, [balances])
      await store.append('account-1', [deposit(1), deposit(1)])
      await store.append('other', deposit(1000))
      if (round % 2 === 0) await settled(runner)
    }
    await using runner = await startProjections(store, [balances])
    await settled(runner)
    expect(await contents(store, balances)).toEqual({ 'account-1': 10 })
  })

  it('a rebuild makes the same model from the first event on, while readers read and writers write', async () => {
    await using log = await open()
    const store = new EventStore(log)
    for (let n = 0; n < 50; n++) await store.append(`account-${n % 5}`, deposit(1))
    await using runner = await startProjections(store, [balances])
    await settled(runner)
    let rebuilt = false
    const seen: number[] = []
    const reading = (async () => {
      while (!rebuilt) {
        const { position } = await store.append('account-0', deposit(1))
        await runner.waitFor('balances', position)
        seen.push((await (await readModel(store, balances)).get('account-0'))!)
      }
    })()
    const progress: number[] = []
    await runner.rebuild('balances', { onProgress: ({ position }) => progress.push(position) })
    rebuilt = true
    await reading
    expect(seen).toEqual(seen.map((_, n) => 11 + n))
    expect(progress.length).toBeGreaterThan(0)
    expect(await contents(store, balances)).toEqual({
      'account-0': 10 + seen.length,
      'account-1': 10,
      'account-2': 10,
      'account-3': 10,
      'account-4': 10,
    })
    expect(await runner.status()).toMatchObject([{ name: 'balances', state: 'running', version: 1, skipped: 0 }])
  })

  it('nobody who has seen the effect of an event loses it when a slower build takes over', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const model = (build: number) => {
      const documents = new Documents<number>(log, `counts ${build}`)
      return {
        documents,
        within: (tx: Transaction) => ({ build, writer: documents.within(tx) }),
        truncate: () => documents.truncate(),
      }
    }
    const counts: AsyncProjection<AccountEvent, ReturnType<typeof model>> = {
      name: 'counts',
      into: model,
      async apply({ streamId, version }, { build, writer }) {
        for (let turn = 0; build > 1 && turn < 3; turn++) await turnOfTheLoop()
        writer.put(streamId, version + 1)
      },
    }
    await store.append('account-1', deposit(1))
    await using runner = await startProjections(store, [counts])
    await runner.caughtUp('counts')
    const rebuilding = runner.rebuild('counts')
    const rebuilt = { yes: false }
    const done = rebuilding.then(() => {
      rebuilt.yes = true
    })
    for (let n = 2, after = 0; after < 3; n++) {
      await turnOfTheLoop()
      if (rebuilt.yes) after++
      const { position } = await store.append('account-1', deposit(1))
      await runner.waitFor('counts', position)
      expect(await (await readModel(store, counts)).documents.get('account-1')).toBe(n)
    }
    await done
  })

  it('a build that is still behind when the one before has stopped comes as far before it is read', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const model = (build: number) => {
      const documents = new Documents<number>(log, `counts ${build}`)
      const within = (tx: Transaction) => ({ build, writer: documents.within(tx) })
      return { documents, within, truncate: () => documents.truncate() }
    }
    // As many as there are rounds in which a build runs after the end.
    let more = 3
    let switched = false
    const counts: AsyncProjection<AccountEvent, ReturnType<typeof model>> = {
      name: 'counts',
      into: model,
      async apply({ streamId, version }, { build, writer }) {
        if (build > 1 && more-- > 0) {
          // Before this one is in the new build, the next is in the one that is read.
          const { position } = await store.append('account-1', deposit(1))
          await runner.waitFor('counts', position)
        } else if (build > 1) for (let turn = 0; turn < 200 && !switched; turn++) await turnOfTheLoop()
        writer.put(streamId, version + 1)
      },
    }
    await store.append('account-1', deposit(1))
    await using runner = await startProjections(store, [counts])
    await runner.caughtUp('counts')
    await runner.rebuild('counts')
    switched = true
    expect(await (await readModel(store, counts)).documents.get('account-1')).toBe(4)
  })

  it('a model that a reader still has stays as it was, until the next rebuild drops it', async () => {
    await using log = await open()
    const store = new EventStore(log)
    await store.append('account-1', deposit(1))
    await using runner = await startProjections(store, [balances])
    await settled(runner)
    const kept = await readModel(store, balances)
    await runner.rebuild('balances')
    await store.append('account-1', deposit(1))
    await settled(runner)
    expect([await kept.get('account-1'), await (await readModel(store, balances)).get('account-1')]).toEqual([1, 2])
    await runner.rebuild('balances')
    expect(await kept.get('account-1')).toBeUndefined()
  })

  it('another version is built beside the old model, which is read until the new one is as far', async () => {
    await using log = await open()
    const store = new EventStore(log)
    await store.append('account-1', [deposit(1), deposit(2)])
    {
      await using runner = await startProjections(store, [balances])
      await settled(runner)
    }
    let pass = (): void => undefined
    const held = new Promise<void>(resolve => {
      pass = resolve
    })
    const doubled: AsyncProjection<AccountEvent, Documents<number>> = {
      ...balances,
      version: 2,
      async apply(event, model, tx) {
        await held
        await balances.apply({ ...event, data: { amount: 2 * event.data!.amount } } as typeof event, model, tx)
      },
    }
    await using runner = await startProjections(store, [doubled])
    expect(await runner.status()).toMatchObject([{ state: 'rebuilding', version: 1, rebuild: { position: 0 } }])
    expect(await contents(store, doubled)).toEqual({ 'account-1': 3 })
    pass()
    await settled(runner)
    expect(await contents(store, doubled)).toEqual({ 'account-1': 6 })
    expect(await runner.status()).toMatchObject([{ state: 'running', version: 2 }])
  })

  it('a build that a close interrupted is finished by the next start', async () => {
    await using log = await open()
    const store = new EventStore(log)
    for (let n = 0; n < 20; n++) await store.append('account-1', deposit(1))
    const first = await startProjections(store, [balances])
    await settled(first)
    const interrupted = first.rebuild('balances')
    const refused = expect(interrupted).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_CLOSED' })
    await first.close()
    await refused
    await using second = await startProjections(store, [balances])
    await settled(second)
    await second.rebuild('balances')
    expect(await contents(store, balances)).toEqual({ 'account-1': 20 })
  })

  it('a projection that throws stops, says where, and holds up neither the others nor its readers', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const failures: unknown[] = []
    const strict: AsyncProjection<AccountEvent, Documents<number>> = {
      ...balances,
      name: 'strict',
      apply(event, model, tx) {
        if (event.type === 'Withdrawn') throw new Error('cannot')
        return balances.apply(event, model, tx)
      },
    }
    await using runner = await startProjections(store, [strict, balances], {
      onFailure: (name, error) => failures.push(name, error),
    })
    await store.append('account-1', [deposit(5), { type: 'Withdrawn', data: { amount: 1 } }, deposit(7)])
    await expect(settled(runner, 'strict')).rejects.toMatchObject({
      code: 'EVENT_PROCESSOR_FAILED',
      message: expect.stringMatching(/projection strict .*version 1 of stream account-1.*cannot/),
      details: { streamId: 'account-1', version: 1 },
    })
    await settled(runner)
    expect(await contents(store, strict)).toEqual({ 'account-1': 5 })
    expect(await contents(store, balances)).toEqual({ 'account-1': 11 })
    expect((await runner.status()).map(({ name, state }) => [name, state])).toEqual([
      ['strict', 'failed'],
      ['balances', 'running'],
    ])
    expect(failures).toEqual(['strict', expect.objectContaining({ code: 'EVENT_PROCESSOR_FAILED' })])
  })

  it('a rebuild that fails leaves the model that is read as it was, and that goes on', async () => {
    await using log = await open()
    const store = new EventStore(log)
    let broken = false
    const breakable: AsyncProjection<AccountEvent, Documents<number>> = {
      ...balances,
      apply(event, model, tx) {
        if (broken && event.version === 1) throw new Error('cannot')
        return balances.apply(event, model, tx)
      },
    }
    await store.append('account-1', [deposit(1), deposit(1)])
    await using runner = await startProjections(store, [breakable])
    await settled(runner)
    broken = true
    await expect(runner.rebuild('balances')).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_FAILED' })
    await store.append('account-1', deposit(1))
    await settled(runner)
    expect(await contents(store, breakable)).toEqual({ 'account-1': 3 })
    broken = false
    await runner.rebuild('balances')
    expect(await contents(store, breakable)).toEqual({ 'account-1': 3 })
  })

  it('a projection that has failed runs again when it is rebuilt after the repair', async () => {
    await using log = await open()
    const store = new EventStore(log)
    let broken = true
    const repaired: AsyncProjection<AccountEvent, Documents<number>> = {
      ...balances,
      apply(event, model, tx) {
        if (broken) throw new Error('cannot')
        return balances.apply(event, model, tx)
      },
    }
    const failures: unknown[] = []
    await using runner = await startProjections(store, [repaired], { onFailure: name => failures.push(name) })
    const { position } = await store.append('account-1', deposit(1))
    await expect(runner.waitFor('balances', position)).rejects.toMatchObject({ code: 'EVENT_PROCESSOR_FAILED' })
    broken = false
    await runner.rebuild('balances')
    await store.append('account-1', deposit(1))
    await settled(runner)
    expect([await contents(store, repaired), failures]).toEqual([{ 'account-1': 2 }, ['balances']])
    expect(await runner.status()).toMatchObject([{ state: 'running' }])
  })

  it('by choice an event that cannot be applied is left out and noted, also when it cannot even be read', async () => {
    await using log = await open()
    const poison = {
      type: 'Broken',
      upcast() {
        throw new Error('unreadable')
      },
    }
    await new EventStore(log).append('account-1', [deposit(1), { type: 'Broken', data: 0 }, deposit(2)])
    const store = new EventStore(log, { upcasters: [poison] })
    const lenient: AsyncProjection<AccountEvent, Documents<number>> = {
      ...balances,
      onError: 'skip',
      apply(event, model, tx) {
        if (event.type === 'Withdrawn') throw new Error('cannot')
        return balances.apply(event, model, tx)
      },
    }
    await using runner = await startProjections(store, [lenient])
    await store.append('account-2', [{ type: 'Withdrawn', data: { amount: 1 } }, deposit(3)])
    await settled(runner)
    expect(await contents(store, lenient)).toEqual({ 'account-1': 3, 'account-2': 3 })
    expect((await runner.status())[0]).toMatchObject({ state: 'running', skipped: 2 })
    const skipped: unknown[] = []
    for await (const { streamId, version, error } of runner.skipped('balances'))
      skipped.push([streamId, version, error])
    expect(skipped).toEqual([
      ['account-1', 1, 'Error: unreadable'],
      ['account-2', 0, 'Error: cannot'],
    ])
  })

  it('what is too large for one commit is applied in several', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const copies: AsyncProjection<AccountEvent, Documents<string>> = {
      name: 'copies',
      apply: ({ streamId, version }, model) => model.put(`${streamId} ${version}`, 'x'.repeat(900_000)),
    }
    for (let n = 0; n < 40; n++) await store.append('account-1', deposit(n))
    await using runner = await startProjections(store, [copies])
    await settled(runner, 'copies')
    expect(Object.keys(await contents(store, copies))).toHaveLength(40)
  })

  it('names that hide in others, or look like members of objects, have models of their own', async () => {
    await using log = await open()
    const store = new EventStore(log)
    const names = ['a', 'a.1', '1.a', '__proto__', '["a"', '\u0000', 'x'.repeat(200)]
    const projections = names.map(
      (name, n): AsyncProjection<AccountEvent, Documents<number>> => ({
        name,
        apply: ({ streamId }, model) => model.put(streamId, n),
      }),
    )
    await store.append('__proto__', deposit(1))
    await using runner = await startProjections(store, projections)
    for (const [n, projection] of projections.entries()) {
      await settled(runner, projection.name)
      expect(await (await readModel(store, projection)).get('__proto__')).toBe(n)
    }
    for (const name of ['', 'x'.repeat(201), '\ud800', 7])
      await expect(startProjections(store, [{ ...balances, name } as typeof balances])).rejects.toMatchObject({
        code: 'EVENT_INVALID',
      })
    await expect(startProjections(store, [{ ...balances, onError: 'ignore' as 'skip' }])).rejects.toMatchObject({
      code: 'EVENT_INVALID',
    })
  })

  it('rebuilt, live and computed plainly are the same on random histories with random restarts', async () => {
    const step = fc.oneof(
      fc.record({
        stream: fc.constantFrom('account-1', 'account-2', 'noise'),
        amount: fc.integer({ min: -9, max: 9 }),
      }),
      fc.constantFrom('close-1' as const, 'restart' as const, 'rebuild' as const, 'settle' as const),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
        await using log = await open()
        const store = new EventStore(log)
        const expected = new Map<string, number>()
        let runner = await startProjections(store, [balances])
        for (const action of steps) {
          if (action === 'restart') {
            await runner.close()
            runner = await startProjections(store, [balances])
          } else if (action === 'rebuild') await runner.rebuild('balances')
          else if (action === 'settle') await settled(runner)
          else if (action === 'close-1') {
            await store.append('account-1', { type: 'Closed', data: null })
            expected.delete('account-1')
          } else {
            const { stream, amount } = action
            await store.append(stream, {
              type: amount < 0 ? 'Withdrawn' : 'Deposited',
              data: { amount: Math.abs(amount) },
            })
            if (stream !== 'noise') expected.set(stream, (expected.get(stream) ?? 0) + amount)
          }
        }
        await settled(runner)
        const live = await contents(store, balances)
        await runner.rebuild('balances')
        expect(await contents(store, balances)).toEqual(live)
        expect(live).toEqual(Object.fromEntries(expected))
        await runner.close()
      }),
      { numRuns: 20 },
    )
  }, 60_000)
})
