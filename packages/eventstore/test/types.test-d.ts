import { expectTypeOf, it } from 'vitest'
import type { AggregateRoot, Event, EventStore, Metadata, StoredEvent } from '../src/index.ts'

type Opened = Event<'Opened', { owner: string }>
type Deposited = { type: 'Deposited'; data: { amount: number } }
type AccountEvent = Opened | Deposited

declare const store: EventStore

it('stored events of a union are told apart by type', async () => {
  for (const event of await store.load<AccountEvent>('account-1')) {
    if (event.type === 'Deposited') expectTypeOf(event.data.amount).toEqualTypeOf<number>()
    else expectTypeOf(event.data).toEqualTypeOf<{ owner: string }>()
    expectTypeOf(event.metadata).toEqualTypeOf<Metadata>()
  }
  expectTypeOf<StoredEvent<Deposited>>().toExtend<{ version: number; position: number; streamId: string } & Deposited>()
})

it('an aggregate applies and raises its events only', () => {
  expectTypeOf<AggregateRoot<AccountEvent>['apply']>().parameter(0).toEqualTypeOf<AccountEvent>()
  expectTypeOf<AggregateRoot<AccountEvent>['uncommitted']>().toEqualTypeOf<readonly AccountEvent[]>()
})

it('an event of the class is a type that plain objects have as well', () => {
  expectTypeOf<{ type: 'Opened'; data: { owner: string } }>().toExtend<Opened>()
  expectTypeOf<{ type: 'Opened'; data: { owner: number } }>().not.toExtend<Opened>()
})
