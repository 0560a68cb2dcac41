import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Log, openLog } from '@aegis/log'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { describeEachLog } from '../../../../tooling/test/each-log.ts'
import { type Decider, EventStore, type EventStoreOptions } from '../../src/index.ts'
import { isAbsent, type PersonalData, Privacy } from '../../src/privacy/index.ts'
import { type AsyncProjection, type Documents, readModel, startProjections } from '../../src/projections/index.ts'
import { temporaryFolder } from '../given.ts'

const master = { id: 'm1', key: randomBytes(32) }
const forgotten = { $absent: 'forgotten' }

const personalData: PersonalData[] = [
  { type: 'Registered', subject: data => data.customer, fields: ['name', 'address.street'] },
  { type: 'MessageSent', subject: data => data.from, fields: ['text'] },
  { type: 'MessageSent', subject: data => data.to, fields: ['receiver'] },
]

const registered = (customer: string, name: string) => ({
  type: 'Registered',
  data: { customer, name, address: { street: `${name} street`, city: 'London' }, plan: 'gold' },
})

function storeOf(log: Log, options: EventStoreOptions = {}) {
  const privacy = new Privacy({ masterKeys: [master], personalData })
  return { privacy, store: new EventStore(log, { ...options, privacy }) }
}

/** All that is stored, as text. */
async function everything(log: Log): Promise<string> {
  const { records } = await log.read('$events', 0, { from: 0 })
  const parts = records.flatMap(({ value, headers }) => [value!, ...headers.map(header => header.value!)])
  for (const space of ['$events.keys', '$events.subjects', '$events.snapshots'])
    for await (const [key, value] of log.scanState(space)) parts.push(key, value)
  return Buffer.concat(parts).toString('latin1')
}

describeEachLog('privacy', open => {
  it('private fields are stored encrypted and read as they were, and marked as absent when their subject is forgotten', async () => {
    await using log = await open()
    const { store, privacy } = storeOf(log)
    await store.append('customer-1', registered('ada', 'Ada Lovelace'))
    await store.append('customer-2', registered('grace', 'Grace Hopper'))
    expect(await everything(log)).not.toMatch(/Lovelace|Hopper/)
    expect((await store.load('customer-1'))[0]!.data).toEqual(registered('ada', 'Ada Lovelace').data)
    await privacy.forget('ada')
    expect((await store.load('customer-1'))[0]!.data).toEqual({
      customer: 'ada',
      name: forgotten,
      address: { street: forgotten, city: 'London' },
      plan: 'gold',
    })
    expect((await store.load('customer-2'))[0]!.data).toEqual(registered('grace', 'Grace Hopper').data)
    await privacy.forget('ada')
    await privacy.forget('nobody')
  })

  it('an event can tell of several subjects, each forgotten by itself', async () => {
    await using log = await open()
    const { store, privacy } = storeOf(log)
    await store.append('chat', {
      type: 'MessageSent',
      data: { from: 'ada', to: 'grace', text: 'hello', receiver: 'G' },
    })
    await privacy.forget('grace')
    expect((await store.load('chat'))[0]!.data).toEqual({
      from: 'ada',
      to: 'grace',
      text: 'hello',
      receiver: forgotten,
    })
    await privacy.forget('ada')
    expect((await store.load('chat'))[0]!.data).toMatchObject({ text: forgotten, receiver: forgotten })
  })

  it('what was forgotten is absent in every way of reading: loads, reads, transactions, subscriptions, old and live', async () => {
    await using log = await open()
    const { store, privacy } = storeOf(log)
    await store.append('customer-1', registered('ada', 'Ada'))
    const fetchedBefore = (await store.subscribe('customer-*'))[Symbol.asyncIterator]()
    const first = await fetchedBefore.next()
    expect(first.value!.data.name).toBe('Ada')
    await store.append('customer-1', registered('ada', 'Ada again'))
    await privacy.forget('ada')
    const names: unknown[] = []
    for await (const event of store.readAll()) names.push(event.data.name)
    for await (const event of store.readAll({ direction: 'backwards' })) names.push(event.data.name)
    for await (const event of store.read('customer-1', { direction: 'backwards' })) names.push(event.data.name)
    await store.transaction(async tx => {
      for (const event of await tx.load('customer-1')) names.push(event.data.name)
    })
    for await (const event of await store.subscribe('customer-1', { groupId: 'g' })) {
      if (names.push(event.data.name) % 2 === 0) break
    }
    expect(names).toEqual(Array.from({ length: 10 }, () => forgotten))
    // It was fetched before, and is handed over after.
    expect((await fetchedBefore.next()).value!.data.name).toEqual(forgotten)
    await fetchedBefore.return()
  })

  it('a store that was handed the events before forgetting has no key left to read them with', async () => {
    await using log = await open()
    const one = storeOf(log)
    const other = storeOf(log)
    await one.store.append('customer-1', registered('ada', 'Ada'))
    expect((await other.store.load('customer-1'))[0]!.data.name).toBe('Ada')
    await one.privacy.forget('ada')
    expect((await other.store.load('customer-1'))[0]!.data.name).toEqual(forgotten)
  })

  it('a subject who comes back is read again from then on; what was forgotten stays so', async () => {
    await using log = await open()
    const { store, privacy } = storeOf(log)
    await store.append('customer-1', registered('ada', 'old'))
    await privacy.forget('ada')
    await store.append('customer-1', registered('ada', 'new'))
    expect((await store.load('customer-1')).map(event => event.data.name)).toEqual([forgotten, 'new'])
  })

  it('forgets in the commit of a transaction, or not at all', async () => {
    await using log = await open()
    const { store, privacy } = storeOf(log)
    await store.append('customer-1', registered('ada', 'Ada'))
    const name = async () => (await store.load('customer-1'))[0]!.data.name
    const failing = store.transaction(async (_, tx) => {
      await privacy.within(tx).forget('ada')
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await name()).toBe('Ada')
    await store.transaction(async (events, tx) => {
      await privacy.within(tx).forget('ada')
      await events.append('customer-1', { type: 'Forgotten', data: { customer: 'ada' } })
    })
    expect(await name()).toEqual(forgotten)
  })

  it('the key is in no file any more after forgetting', async () => {
    await using folder = await temporaryFolder()
    await using log = await openLog({ dataDir: folder.path })
    const { store, privacy } = storeOf(log)
    await store.append('customer-1', registered('ada', 'Ada'))
    const wrapped: string = JSON.parse(
      Buffer.from((await log.getState('$events.keys', Buffer.from('ada')))!).toString(),
    ).wrapped
    const holds = async () => {
      const files = (await readdir(folder.path)).filter(file => /\.(log|ldb)$/.test(file))
      const contents = await Promise.all(files.map(file => readFile(join(folder.path, file))))
      return contents.some(content => content.includes(wrapped))
    }
    expect(await holds()).toBe(true)
    await privacy.forget('ada', { compact: false })
    expect(await holds()).toBe(true)
    await privacy.compact()
    expect(await holds()).toBe(false)
  })

  it('inline and other projections see the fields; built anew after forgetting, they see that they are absent', async () => {
    await using log = await open()
    const names: AsyncProjection<{ type: 'Registered'; data: { customer: string; name: unknown } }, Documents> = {
      name: 'names',
      types: ['Registered'],
      apply: ({ data }, model) => model.put(data.customer, data.name),
    }
    const inline: unknown[] = []
    const projection = { name: 'inline', apply: ({ data }: { data: { name: string } }) => void inline.push(data.name) }
    const { store, privacy } = storeOf(log, { projections: [projection] })
    await store.append('customer-1', registered('ada', 'Ada'))
    await using runner = await startProjections(store, [names])
    await runner.caughtUp('names')
    const name = async () => (await readModel(store, names)).get('ada')
    expect([inline, await name()]).toEqual([['Ada'], 'Ada'])
    await privacy.forget('ada')
    expect(await name()).toBe('Ada')
    await runner.rebuild('names')
    expect(isAbsent(await name())).toBe(true)
  })

  it('a snapshot made of private fields is readable no longer than they are, also one that is written too late', async () => {
    await using log = await open()
    const { store, privacy } = storeOf(log)
    let replayed = 0
    const decider: Decider<unknown[], string, ReturnType<typeof registered>> = {
      initialState: () => [],
      evolve(names, { data }) {
        replayed++
        return [...names, data.name]
      },
      async decide(name) {
        if (name === 'late') await privacy.forget('ada')
        return registered('ada', name)
      },
    }
    const handler = store.commandHandler(decider, { snapshots: { version: 1, every: 1 } })
    await handler.handle('customer-1', 'Ada Lovelace')
    expect(await everything(log)).not.toContain('Lovelace')
    replayed = 0
    expect((await handler.load('customer-1')).state).toEqual(['Ada Lovelace'])
    expect(replayed).toBe(0)
    await handler.handle('customer-1', 'late')
    expect((await handler.load('customer-1')).state).toEqual([forgotten, 'late'])
    expect(await everything(log)).not.toContain('Lovelace')
    await privacy.forget('ada')
    expect((await handler.load('customer-1')).state).toEqual([forgotten, forgotten])
  })

  it('a store without the keys reads the rest, and marks what it cannot read', async () => {
    await using log = await open()
    const { store } = storeOf(log)
    await store.append('customer-1', registered('ada', 'Ada'))
    const [event] = await new EventStore(log).load('customer-1')
    expect(event!.data).toMatchObject({ name: { $absent: 'sealed' }, plan: 'gold' })
    const keyless = new Privacy({ masterKeys: [{ id: 'other', key: randomBytes(32) }], personalData })
    await expect(new EventStore(log, { privacy: keyless }).load('customer-1')).rejects.toMatchObject({
      code: 'MASTER_KEY_UNKNOWN',
      message: expect.stringMatching(/subject ada .*master key m1/),
    })
    const wrong = new Privacy({ masterKeys: [{ id: 'm1', key: randomBytes(32) }], personalData })
    await expect(new EventStore(log, { privacy: wrong }).load('customer-1')).rejects.toMatchObject({
      code: 'MASTER_KEY_UNKNOWN',
    })
  })

  it('the master key can be changed: keys are wrapped anew, and the old master key is needed no more', async () => {
    await using log = await open()
    const before = storeOf(log)
    for (const name of ['ada', 'grace', 'joan']) await before.store.append('customers', registered(name, name))
    await before.privacy.forget('joan')
    const next = { id: 'm2', key: randomBytes(32) }
    const both = new Privacy({ masterKeys: [next, master], personalData })
    const store = new EventStore(log, { privacy: both })
    await store.append('customers', registered('mary', 'mary'))
    expect([await both.rewrapKeys(), await both.rewrapKeys()]).toEqual([2, 0])
    const only = new EventStore(log, { privacy: new Privacy({ masterKeys: [next], personalData }) })
    expect((await only.load('customers')).map(({ data }) => data.name)).toEqual(['ada', 'grace', forgotten, 'mary'])
  })

  it('ciphertext that was changed or moved to another event is refused, and what follows it in a skipping projection is not', async () => {
    await using log = await open()
    const { store } = storeOf(log)
    await store.append('customer-1', registered('ada', 'Ada'))
    await store.append('customer-1', registered('ada', 'Eve'))
    const { records } = await log.read('$events', 0, { from: 0 })
    const [first, second] = records.map(({ value }) => JSON.parse(Buffer.from(value!).toString()))
    const forge = (body: object, streamId = 'customer-1') =>
      log.append('$events', { key: streamId, value: JSON.stringify(body), headers: records[0]!.headers })
    const sealed: string = first.private[0].sealed
    await forge({ ...first, private: second.private }, 'moved')
    await forge(first, 'other-stream')
    await forge({ ...first, type: 'MessageSent' }, 'other-type')
    await forge({ ...first, private: [{ ...first.private[0], fields: ['plan', 'name'] }] }, 'other-fields')
    await forge({ ...first, private: [{ ...first.private[0], sealed: `AAAA${sealed.slice(4)}` }] }, 'changed')
    await forge({ ...first, private: [{ ...first.private[0], sealed: 'AAAA' }] }, 'short')
    for (const streamId of ['moved', 'other-stream', 'other-type', 'other-fields', 'changed', 'short'])
      await expect(store.load(streamId), streamId).rejects.toMatchObject({ code: 'PRIVATE_DATA_CORRUPT' })
    expect((await store.load('customer-1')).map(({ data }) => data.name)).toEqual(['Ada', 'Eve'])
  })

  it('refuses rules, keys and subjects that would leave something readable, and names them', async () => {
    const one = personalData[0]!
    const wrong: { masterKeys?: unknown; personalData?: unknown }[] = [
      { masterKeys: [] },
      { masterKeys: [{ id: 'x', key: randomBytes(16) }] },
      { masterKeys: [{ id: '', key: randomBytes(32) }] },
      { masterKeys: [{ id: 'x', key: 'x'.repeat(32) }] },
      { masterKeys: [master, master] },
      { personalData: {} },
      { personalData: [{ ...one, fields: [] }] },
      { personalData: [{ ...one, fields: ['a..b'] }] },
      { personalData: [{ ...one, fields: ['address', 'address.street'] }] },
      { personalData: [one, one] },
      { personalData: [{ ...one, subject: 'customer' }] },
      { personalData: [{ ...one, type: '' }] },
    ]
    for (const options of wrong)
      expect(
        () => new Privacy({ masterKeys: [master], personalData, ...options } as never),
        JSON.stringify(options),
      ).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }))
    await using log = await open()
    await using elsewhere = await open()
    const { store, privacy } = storeOf(log)
    for (const customer of [undefined, '', 7, '\ud800', 'x'.repeat(501)])
      await expect(store.append('c', { type: 'Registered', data: { customer, name: 'Ada' } })).rejects.toMatchObject({
        code: 'EVENT_INVALID',
      })
    expect(await store.load('c')).toEqual([])
    expect(() => new EventStore(elsewhere, { privacy })).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }))
    await expect(privacy.forget('')).rejects.toMatchObject({ code: 'EVENT_INVALID' })
    await expect(new Privacy({ masterKeys: [master], personalData }).forget('ada')).rejects.toMatchObject({
      code: 'EVENT_INVALID',
    })
  })

  it('hostile names, and fields that are not there or strange, come back as they were', async () => {
    await using log = await open()
    const fields = ['__proto__', 'constructor.name', 'length', 'a.b.c', '0']
    const rules = [{ type: '__proto__', subject: (data: { who: string }) => data.who, fields }]
    const privacy = new Privacy({ masterKeys: [master], personalData: rules })
    const store = new EventStore(log, { privacy })
    const datas = [
      { who: '__proto__' },
      JSON.parse(
        '{"who":"__proto__","__proto__":{"polluted":1},"constructor":{"name":"x"},"length":-1,"a":{"b":{"c":null}}}',
      ),
      { who: '\u0000 ünï', a: 'text', 0: [1, { $absent: 'no' }], length: false },
      Object.assign(['x', 'y'], { who: 'list' }),
    ]
    for (const data of datas.slice(0, 3)) await store.append('__proto__', { type: '__proto__', data })
    expect((await store.load('__proto__')).map(({ data }) => JSON.stringify(data))).toEqual(
      datas.slice(0, 3).map(data => JSON.stringify(data)),
    )
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    await privacy.forget('__proto__')
    expect((await store.load('__proto__'))[1]!.data.length).toEqual(forgotten)
  })

  it('a hundred first events of one subject at once get one key', async () => {
    await using log = await open()
    const { store } = storeOf(log)
    await Promise.all(Array.from({ length: 100 }, (_, n) => store.append(`c-${n % 7}`, registered('ada', `Ada ${n}`))))
    const names: string[] = []
    for await (const { data } of store.readAll()) names.push(data.name)
    expect(names.sort()).toEqual(Array.from({ length: 100 }, (_, n) => `Ada ${n}`).sort())
    const keys: unknown[] = []
    for await (const entry of log.scanState('$events.keys')) keys.push(entry)
    expect(keys).toHaveLength(1)
  })

  it('a subject who comes back while their old events are read gets a key that stays', async () => {
    await using log = await open()
    const { store, privacy } = storeOf(log)
    await store.append('customer-1', registered('ada', 'old'))
    for (let n = 0; n < 20; n++) {
      await privacy.forget('ada', { compact: false })
      const reading = Promise.all(Array.from({ length: 5 }, () => store.load('customer-1')))
      await Promise.all([reading, store.append('customer-1', registered('ada', `new ${n}`))])
      await store.append('customer-1', registered('ada', `newer ${n}`))
      expect((await store.load('customer-1')).slice(-2).map(({ data }) => data.name)).toEqual([
        `new ${n}`,
        `newer ${n}`,
      ])
    }
  }, 60_000)

  it('appending and forgetting at random leaves readable exactly what was appended after the last forgetting', async () => {
    const subject = fc.constantFrom('ada', 'grace')
    const step = fc.oneof(
      fc.record({ append: subject, in: fc.constantFrom('c-1', 'c-2'), within: fc.boolean() }),
      fc.record({ forget: subject }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
        await using log = await open()
        const stores = [storeOf(log), storeOf(log)]
        const model: { subject: string; name: unknown }[] = []
        for (const [n, action] of steps.entries()) {
          const { store, privacy } = stores[n % 2]!
          if ('forget' in action) {
            await privacy.forget(action.forget)
            for (const entry of model) if (entry.subject === action.forget) entry.name = forgotten
            continue
          }
          const event = registered(action.append, `name ${n}`)
          if (action.within) {
            await store.transaction(async tx => {
              await tx.append(action.in, event)
              expect((await tx.load(action.in)).at(-1)!.data).toEqual(event.data)
            })
          } else await store.append(action.in, event)
          model.push({ subject: action.append, name: `name ${n}` })
        }
        for (const { store } of [...stores, storeOf(log)]) {
          const found: unknown[] = []
          for await (const { data } of store.readAll()) found.push({ subject: data.customer, name: data.name })
          expect(found).toEqual(model)
        }
      }),
      { numRuns: 20 },
    )
  }, 60_000)
})
