import type { Untyped } from '@aegis/log'
import { expectTypeOf, it } from 'vitest'
import type { CdcEngine, DeliveredChange, PrimaryKey } from '../src/index.ts'

interface User {
  id: number
  name: string
}

declare const cdc: CdcEngine

it('a typed table takes and gives its rows', async () => {
  const users = await cdc.table<User>('users', { primaryKey: 'id' })
  expectTypeOf(users.insert).parameter(0).toEqualTypeOf<User>()
  expectTypeOf(users.update).parameters.toEqualTypeOf<[PrimaryKey, Partial<User>]>()
  expectTypeOf(users.get(1)).resolves.toEqualTypeOf<User | undefined>()
  // @ts-expect-error: not a field of the row
  await cdc.table<User>('users', { primaryKey: 'no' })
  const untyped = await cdc.table('users', { primaryKey: 'anything' })
  expectTypeOf(untyped.get(1)).resolves.toEqualTypeOf<Untyped>()
})

it('op tells changes apart, and the option whether there is an old row', async () => {
  const users = await cdc.table<User>('users', { primaryKey: 'id' })
  for await (const change of await users.subscribe({ includeOldValues: true })) {
    if (change.op === 'update') expectTypeOf(change.oldRow).toEqualTypeOf<User>()
    if (change.op === 'delete') expectTypeOf(change.oldRow).toEqualTypeOf<User>()
    if (change.op === 'insert') expectTypeOf(change.newRow).toEqualTypeOf<User>()
    if (change.op === 'truncate') expectTypeOf(change.key).toEqualTypeOf<null>()
  }
  for await (const change of await users.subscribe({ operations: ['update'] })) {
    expectTypeOf(change).toEqualTypeOf<DeliveredChange<User, false>>()
    if (change.op === 'update') expectTypeOf(change.oldRow).toEqualTypeOf<undefined>()
  }
  for await (const change of await cdc.subscribe<User>('users', { includeOldValues: true })) {
    expectTypeOf(change).toEqualTypeOf<DeliveredChange<User>>()
  }
})
