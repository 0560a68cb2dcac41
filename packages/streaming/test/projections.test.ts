import { randomBytes } from 'node:crypto'
import type { Table } from '@aegis/cdc'
import { isAbsent, Privacy } from '@aegis/eventstore/privacy'
import { type AsyncProjection, readModel, startProjections } from '@aegis/eventstore/projections'
import { expect, it } from 'vitest'
import { StreamingEngine } from '../src/index.ts'

type Deposited = { type: 'Deposited'; data: { amount: number } }
type Balance = { id: string; balance: number }

it('a projection fills a table, whose changes can be followed, and a rebuild fills another', async () => {
  await using engine = await StreamingEngine.open({ memory: true })
  const balances: AsyncProjection<Deposited, Table<Balance>> = {
    name: 'balances',
    streams: 'account-*',
    into: build => engine.cdc.table<Balance>(`balances_${build}`, { primaryKey: 'id' }),
    async apply({ streamId, data }, table) {
      const row = await table.get(streamId)
      await table.upsert({ id: streamId, balance: (row?.balance ?? 0) + data.amount })
    },
  }
  await using runner = await startProjections(engine.events, [balances])
  for (let n = 1; n <= 3; n++) await engine.events.append('account-1', { type: 'Deposited', data: { amount: n } })
  const { position } = await engine.events.append('account-2', { type: 'Deposited', data: { amount: 5 } })
  await runner.waitFor('balances', position)
  const table = await readModel(engine.events, balances)
  expect([table.name, await table.get('account-1'), await table.get('account-2')]).toEqual([
    'balances_1',
    { id: 'account-1', balance: 6 },
    { id: 'account-2', balance: 5 },
  ])
  const changes: unknown[] = []
  for await (const change of await table.subscribe({ from: 'earliest' })) {
    changes.push(change.op)
    if (changes.length === 4) break
  }
  expect(changes).toEqual(['insert', 'update', 'update', 'insert'])

  await runner.rebuild('balances')
  const rebuilt = await readModel(engine.events, balances)
  expect([rebuilt.name, await rebuilt.get('account-1')]).toEqual(['balances_2', { id: 'account-1', balance: 6 }])
})

it('the events of an engine have what they are given: upcasters, projections, privacy', async () => {
  const privacy = new Privacy({
    masterKeys: [{ id: 'm', key: randomBytes(32) }],
    personalData: [{ type: 'Registered', subject: data => data.customer, fields: ['name'] }],
  })
  const seen: string[] = []
  const projection = { name: 'seen', apply: ({ type }: { type: string }) => void seen.push(type) }
  await using engine = await StreamingEngine.open({ memory: true, events: { privacy, projections: [projection] } })
  await engine.transaction(tx =>
    tx.events.append('customer-1', { type: 'Registered', data: { customer: '1', name: 'Ada' } }),
  )
  await privacy.forget('1')
  const [event] = await engine.events.load('customer-1')
  expect([seen, isAbsent(event!.data.name)]).toEqual([['Registered'], true])
})
