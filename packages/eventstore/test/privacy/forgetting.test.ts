import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { describeEachLog } from '../../../../tooling/test/each-log.ts'
import { EventStore, type EventStoreOptions } from '../../src/index.ts'
import { Privacy } from '../../src/privacy/index.ts'
import {
  type AsyncProjection,
  inline,
  readModel,
  rebuildInline,
  startProjections,
} from '../../src/projections/index.ts'
import { publish, startWorkflows, type Workflow } from '../../src/workflows/index.ts'

const privacyOf = (): Privacy =>
  new Privacy({
    masterKeys: [{ id: 'm', key: randomBytes(32) }],
    personalData: [{ type: 'Registered', subject: data => data.customer, fields: ['name'] }],
  })

const registered = (customer: string, name: string) => ({ type: 'Registered', data: { customer, name } })

describeEachLog('whoever keeps something of a subject hears of the forgetting', open => {
  it('a projection that follows, once, in the order of the events, and with what it deletes in one commit', async () => {
    const log = await open()
    const privacy = privacyOf()
    const store = new EventStore(log, { privacy })
    const heard: string[] = []
    const names: AsyncProjection = {
      name: 'names',
      streams: 'customer-*',
      apply({ data: { customer, name } }, model) {
        heard.push(customer)
        model.put(customer, name)
      },
      forget(subject, model) {
        heard.push(`forget ${subject}`)
        model.delete(subject)
      },
    }
    await using runner = await startProjections(store, [names])
    const documents = async () => {
      await runner.caughtUp('names')
      const found = []
      for await (const entry of (await readModel(store, names)).scan()) found.push(entry)
      return found
    }
    await store.append('customer-1', registered('ada', 'Ada'))
    await store.append('customer-2', registered('grace', 'Grace'))
    expect(await documents()).toEqual([
      ['ada', 'Ada'],
      ['grace', 'Grace'],
    ])
    await privacy.forget('ada', { compact: false })
    expect(await documents()).toEqual([['grace', 'Grace']])
    await store.append('customer-1', registered('ada', 'Ada again'))
    expect(await documents()).toEqual([
      ['ada', 'Ada again'],
      ['grace', 'Grace'],
    ])
    const once = ['ada', 'grace', 'forget ada', 'ada']
    expect(heard).toEqual(once)
    await runner.rebuild('names')
    expect(heard).toEqual([...once, ...once])
    expect(await documents()).toEqual([
      ['ada', 'Ada again'],
      ['grace', 'Grace'],
    ])
  })

  it('documents that say whose they are go with their subjects: inline, of a projection that follows, and when rebuilt', async () => {
    const log = await open()
    const privacy = privacyOf()
    const seats = (name: string): AsyncProjection => ({
      name,
      apply({ type, data }, model) {
        if (type === 'Registered') model.put(`name ${data.customer}`, data.name, { subject: data.customer })
        if (type === 'Seated') model.put(`seat ${data.seat}`, data.customers, { subject: data.customers })
        if (type === 'Left') model.put(`seat ${data.seat}`, 'free')
      },
    })
    const [inlined, following] = [seats('inlined'), seats('following')]
    const store = new EventStore(log, { privacy, projections: [inline(inlined)] })
    await using runner = await startProjections(store, [following])
    const seated = (seat: number, ...customers: string[]) => ({ type: 'Seated', data: { seat, customers } })
    await store.append('hall', [
      registered('ada', 'Ada'),
      registered('grace', 'Grace'),
      seated(1, 'ada', 'grace'),
      seated(2, 'ada'),
      seated(3, 'ada'),
      { type: 'Left', data: { seat: 2 } },
      seated(3, 'grace'),
      // Nobody's subject is the beginning of another's.
      seated(4, 'ad', 'ada"'),
    ])
    const kept = { 'name grace': 'Grace', 'seat 2': 'free', 'seat 3': ['grace'], 'seat 4': ['ad', 'ada"'] }
    const expectModels = async (expected: object): Promise<void> => {
      await runner.caughtUp('following')
      for (const projection of [inlined, following]) {
        const found: Record<string, unknown> = {}
        for await (const [key, value] of (await readModel(store, projection)).scan()) found[key] = value
        expect(found).toEqual(expected)
      }
    }
    await expectModels({ ...kept, 'name ada': 'Ada', 'seat 1': ['ada', 'grace'] })
    await privacy.forget('ada', { compact: false })
    await expectModels(kept)
    await runner.rebuild('following')
    await rebuildInline(store, inlined)
    await expectModels(kept)
    // Who comes back is there again, and can be forgotten again.
    await store.append('hall', [registered('ada', 'Ada again'), seated(1, 'ada')])
    await expectModels({ ...kept, 'name ada': 'Ada again', 'seat 1': ['ada'] })
    await privacy.forget('ada', { compact: false })
    await expectModels(kept)
    await expect(store.append('hall', { type: 'Seated', data: { seat: 5, customers: [7] } })).rejects.toMatchObject({
      code: 'EVENT_INVALID',
      message: expect.stringContaining('document seat 5'),
    })
  })

  it('an inline projection in the transaction that forgets, which it can refuse', async () => {
    const log = await open()
    const privacy = privacyOf()
    const key = (subject: string) => Buffer.from(subject)
    const options: EventStoreOptions = {
      privacy,
      projections: [
        {
          name: 'names',
          apply: ({ data: { customer, name } }, tx) => tx.putState('names', key(customer), Buffer.from(name)),
          forget(subject, tx) {
            if (subject === 'kept by law') throw new Error('not yet')
            tx.deleteState('names', key(subject))
          },
        },
        // Has nothing of subjects, and would not know what to do with such an event.
        { name: 'others', apply: ({ data: { name } }) => void name.length },
      ],
    }
    const store = new EventStore(log, options)
    await store.append('customer-1', registered('ada', 'Ada'))
    await store.append('customer-2', registered('kept by law', 'Grace'))
    await privacy.forget('ada', { compact: false })
    expect(await log.getState('names', key('ada'))).toBeUndefined()
    await expect(privacy.forget('kept by law', { compact: false })).rejects.toThrow('not yet')
    expect((await store.load('customer-2'))[0]!.data.name).toBe('Grace')
  })

  it('the instances of a workflow that may know the subject, as an input of each', async () => {
    const log = await open()
    const privacy = privacyOf()
    const store = new EventStore(log, { privacy, types: ['Registered', 'Welcomed', 'Erased'], unknownTypes: 'throw' })
    const welcome: Workflow = {
      name: 'welcome',
      streams: 'customer-*',
      correlate: ({ streamId }) => streamId,
      initialState: () => ({ name: undefined }),
      decide: ({ type }, _, { instanceId }) =>
        type === '$subject-forgotten' ? [publish(`of-${instanceId}`, { type: 'Erased', data: null })] : [],
      evolve: (state, { type, data }) =>
        type === 'Registered' ? { name: data.name } : type === '$subject-forgotten' ? { name: undefined } : state,
      forget: subject => (subject === 'ada' ? ['customer-1', 'customer-3', 'nobody'] : []),
    }
    await using runner = await startWorkflows(store, [welcome])
    for (const n of [1, 2, 3]) await store.append(`customer-${n}`, registered(n === 2 ? 'grace' : 'ada', `Name ${n}`))
    await privacy.forget('ada', { compact: false })
    await runner.caughtUp('welcome')
    const names = await Promise.all(
      [1, 2, 3].map(async n => (await runner.instance<{ name?: string }>('welcome', `customer-${n}`))?.state?.name),
    )
    expect(names).toEqual([undefined, 'Name 2', undefined])
    expect(await runner.instance('welcome', 'nobody')).toBeUndefined()
    for (const n of [1, 3]) expect(await store.load(`of-customer-${n}`)).toHaveLength(1)
    const all = []
    for await (const { type } of store.readAll()) all.push(type)
    expect(all).not.toContain('$subject-forgotten')
    for await (const event of await store.subscribe('$subjects-forgotten', { groupId: 'mailer' })) {
      expect(event).toMatchObject({ type: '$subject-forgotten', data: { subject: 'ada' } })
      break
    }
  })
})
