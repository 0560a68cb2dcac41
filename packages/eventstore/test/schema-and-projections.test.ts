import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { EventStore, type Projection } from '../src/index.ts'

it('events of older schemas are read as of the newest, renamed ones too, in every way of reading', async () => {
  await using log = await openLog({ memory: true })
  await new EventStore(log).append('a', { type: 'Named', data: { name: 'Ada Lovelace' } })
  const split = {
    type: 'Named',
    upcast: ({ data }: { data: { name: string } }) => ({ data: { names: data.name.split(' ') } }),
  }
  await new EventStore(log, { upcasters: [split] }).append('a', { type: 'Named', data: { names: ['Grace'] } })
  const rename = { type: 'Named', from: 1, upcast: () => ({ type: 'PersonNamed' }) }
  const store = new EventStore(log, { upcasters: [split, rename] })
  const expected = [
    ['PersonNamed', { names: ['Ada', 'Lovelace'] }],
    ['PersonNamed', { names: ['Grace'] }],
  ]
  expect((await store.load('a')).map(({ type, data }) => [type, data])).toEqual(expected)
  const seen: unknown[] = []
  for await (const { type, data } of await store.subscribe('a', { types: ['PersonNamed'] })) {
    if (seen.push([type, data]) === 2) break
  }
  expect(seen).toEqual(expected)
  expect(() => new EventStore(log, { upcasters: [split, split] })).toThrow(
    expect.objectContaining({ code: 'EVENT_INVALID' }),
  )
})

it('an inline projection is in the commit of the append, sees versions, and refuses it by throwing', async () => {
  await using log = await openLog({ memory: true })
  const key = Buffer.from('sum')
  const sum: Projection = {
    name: 'sum',
    streams: 'account-*',
    types: ['Deposited'],
    async apply({ data, version, streamId }, tx) {
      if (data < 0) throw new Error('no')
      const before = Number(Buffer.from((await tx.getState('read', key)) ?? '0').toString())
      tx.putState('read', key, Buffer.from(String(before + data)))
      tx.putState('read', Buffer.from(streamId), Buffer.from(String(version)))
    },
  }
  const store = new EventStore(log, { projections: [sum] })
  const deposit = (data: number) => ({ type: 'Deposited', data })
  await Promise.all(Array.from({ length: 20 }, (_, n) => store.append(`account-${n % 2}`, [deposit(n), deposit(1)])))
  await store.append('other', deposit(1000))
  await store.append('account-0', { type: 'Closed', data: 5000 })
  await expect(store.append('account-0', deposit(-1))).rejects.toThrow('no')
  const read = async (name: string) => Buffer.from((await log.getState('read', Buffer.from(name)))!).toString()
  expect(await read('sum')).toBe('210')
  expect(await read('account-1')).toBe('19')
  expect(await store.load('account-0')).toHaveLength(21)
})
