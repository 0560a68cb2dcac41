// An application that is written with Emmett: of all of it, only the store is another one.
import { emmettEventStore } from '@aegis/eventstore/emmett'
import { type AsyncProjection, readModel, startProjections } from '@aegis/eventstore/projections'
import { StreamingEngine } from '@aegis/streaming'
import { CommandHandler, type Event, IllegalStateError, isExpectedVersionConflictError } from '@event-driven-io/emmett'

type CartEvent = Event<'ItemAdded', { product: string; quantity: number }> | Event<'CartConfirmed', { by: string }>
type Cart = { status: 'empty' | 'open' | 'confirmed'; quantity: number }

const handle = CommandHandler<Cart, CartEvent>({
  initialState: () => ({ status: 'empty', quantity: 0 }),
  evolve: (cart, { type, data }) =>
    type === 'ItemAdded'
      ? { status: 'open', quantity: cart.quantity + data.quantity }
      : { ...cart, status: 'confirmed' },
})

const add =
  (product: string, quantity: number) =>
  ({ status }: Cart): CartEvent => {
    if (status === 'confirmed') throw new IllegalStateError('the cart is confirmed')
    return { type: 'ItemAdded', data: { product, quantity } }
  }

const confirm =
  (by: string) =>
  ({ status }: Cart): CartEvent[] =>
    status === 'open' ? [{ type: 'CartConfirmed', data: { by } }] : []

const engine = await StreamingEngine.open({ dataDir: './data' })
const store = emmettEventStore(engine.events)

if (!(await store.streamExists('cart-1'))) {
  await handle(store, 'cart-1', add('shoes', 2))
  // Two at once: the one that comes second is decided again, as Emmett does when it is told to.
  await Promise.all(
    [1, 2].map(quantity => handle(store, 'cart-1', add('socks', quantity), { retry: { onVersionConflict: true } })),
  )
  await handle(store, 'cart-1', confirm('Ada'))
}
await handle(store, 'cart-1', add('hat', 1)).catch((error: Error) => console.log(error.message))
const late: CartEvent = { type: 'CartConfirmed', data: { by: 'Grace' } }
await store
  .appendToStream<CartEvent>('cart-1', [late], { expectedStreamVersion: 3n })
  .catch(error => console.log('conflict:', isExpectedVersionConflictError(error), error.message))

// What Aegis has beside it works on the same events.
const sold: AsyncProjection<CartEvent> = {
  name: 'sold',
  streams: 'cart-*',
  async apply({ type, data }, model) {
    if (type === 'ItemAdded') model.put(data.product, ((await model.get(data.product)) ?? 0) + data.quantity)
  },
}
const runner = await startProjections(engine.events, [sold])
await runner.caughtUp('sold')
for await (const [product, quantity] of (await readModel(engine.events, sold)).scan()) console.log(quantity, product)

await runner.close()
await engine.close()
