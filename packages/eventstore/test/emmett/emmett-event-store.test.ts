import type { Log } from '@aegis/log'
import {
  type Command,
  CommandHandler,
  type Decider,
  DeciderCommandHandler,
  DeciderSpecification,
  type Event,
  ExpectedVersionConflictError,
  IllegalStateError,
  isExpectedVersionConflictError,
  NO_CONCURRENCY_CHECK,
  type ReadEvent,
  type ReadEventMetadataWithGlobalPosition,
  STREAM_DOES_NOT_EXIST,
  STREAM_EXISTS,
} from '@event-driven-io/emmett'
import { expect, it } from 'vitest'
import { describeEachLog } from '../../../../tooling/test/each-log.ts'
import { emmettEventStore } from '../../src/emmett/index.ts'
import { EventStore } from '../../src/index.ts'

type ItemAdded = Event<'ItemAdded', { product: string; quantity: number }>
type CartConfirmed = Event<'CartConfirmed', { at: string }>
type CartEvent = ItemAdded | CartConfirmed
type AddItem = Command<'AddItem', { product: string; quantity: number }>
type ConfirmCart = Command<'ConfirmCart', { at: string }>
type Cart = { status: 'open' | 'confirmed'; quantity: number }

const cart: Decider<Cart, AddItem | ConfirmCart, CartEvent> = {
  initialState: () => ({ status: 'open', quantity: 0 }),
  evolve: (state, event) =>
    event.type === 'ItemAdded'
      ? { ...state, quantity: state.quantity + event.data.quantity }
      : { ...state, status: 'confirmed' },
  decide(command, state) {
    if (state.status === 'confirmed') throw new IllegalStateError('the cart is confirmed')
    return command.type === 'AddItem'
      ? { type: 'ItemAdded', data: command.data }
      : { type: 'CartConfirmed', data: command.data }
  },
}

const added = (quantity: number): ItemAdded => ({ type: 'ItemAdded', data: { product: 'p', quantity } })

async function given(open: () => Promise<Log>, quantities: readonly number[] = []) {
  const log = await open()
  const aegis = new EventStore(log)
  const store = emmettEventStore(aegis)
  if (quantities.length > 0) await store.appendToStream('cart-1', quantities.map(added))
  return { aegis, store, [Symbol.asyncDispose]: () => log.close() }
}

const folding = { evolve: cart.evolve, initialState: cart.initialState }

describeEachLog("Emmett's event store", open => {
  it('reads ranges of positions that count from 1, both ends included, and reports the whole stream with them', async () => {
    await using context = await given(open, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    const read = async (range: { from?: bigint; to?: bigint; maxCount?: bigint }) => {
      const { events, currentStreamVersion, streamExists } = await context.store.readStream<CartEvent>('cart-1', range)
      expect([currentStreamVersion, streamExists]).toEqual([10n, true])
      return events.map(({ metadata }) => Number(metadata.streamPosition))
    }
    expect(await read({})).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(await read({ from: 0n })).toHaveLength(10)
    expect(await read({ from: 4n })).toEqual([4, 5, 6, 7, 8, 9, 10])
    expect(await read({ to: 3n })).toEqual([1, 2, 3])
    expect(await read({ to: 0n })).toEqual([])
    expect(await read({ from: 3n, to: 6n })).toEqual([3, 4, 5, 6])
    expect(await read({ maxCount: 3n })).toEqual([1, 2, 3])
    expect(await read({ maxCount: 0n })).toEqual([])
    expect(await read({ from: 3n, to: 9n, maxCount: 2n })).toEqual([3, 4])
    expect(await read({ from: 21n })).toEqual([])
    expect(await read({ from: 9n, to: 99n })).toEqual([9, 10])
    expect(await context.store.readStream('cart-2', { from: 3n })).toEqual({
      currentStreamVersion: 0n,
      events: [],
      streamExists: false,
    })
    for (const range of [{ from: -1n }, { to: 1 as unknown as bigint }, { maxCount: -1n }])
      await expect(context.store.readStream('cart-1', range)).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  })

  it('events carry their own metadata and what Emmett knows of them', async () => {
    await using context = await given(open)
    type Marked = Event<'Marked', { n: number }, { user: string }>
    const event: Marked = { type: 'Marked', data: { n: 1 }, metadata: { user: 'ada' } }
    const { lastEventGlobalPosition } = await context.store.appendToStream('cart-1', [event])
    const { events } = await context.store.readStream<Marked>('cart-1')
    expect(events).toEqual([
      {
        ...event,
        kind: 'Event',
        metadata: {
          user: 'ada',
          messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
          streamName: 'cart-1',
          streamPosition: 1n,
          globalPosition: lastEventGlobalPosition,
        },
      },
    ])
    const [stored] = await context.aegis.load('cart-1')
    expect(BigInt(stored!.position)).toBe(lastEventGlobalPosition)
  })

  it('aggregates up to a position: the version is that of the state', async () => {
    await using context = await given(open, [1, 2, 3])
    const at = (to?: bigint) =>
      context.store.aggregateStream('cart-1', { ...folding, read: to === undefined ? {} : { to } })
    const quantities = await Promise.all([at(1n), at(2n), at(3n), at()])
    expect(quantities.map(({ state, currentStreamVersion }) => [state.quantity, currentStreamVersion])).toEqual([
      [1, 1n],
      [3, 2n],
      [6, 3n],
      [6, 3n],
    ])
    const withMetadata = (
      positions: bigint[],
      { metadata }: ReadEvent<CartEvent, ReadEventMetadataWithGlobalPosition>,
    ) => [...positions, metadata.streamPosition]
    const { state } = await context.store.aggregateStream('cart-1', { evolve: withMetadata, initialState: () => [] })
    expect(state).toEqual([1n, 2n, 3n])
    expect(await context.store.aggregateStream('cart-9', folding)).toEqual({
      currentStreamVersion: 0n,
      state: cart.initialState(),
      streamExists: false,
    })
  })

  it('each expectation holds or throws the conflict of Emmett, in appending and reading', async () => {
    await using context = await given(open)
    const { store } = context
    const append = (expectedStreamVersion: typeof STREAM_EXISTS | bigint) =>
      store.appendToStream('cart-1', [added(1)], { expectedStreamVersion })
    const refuses = async (work: Promise<unknown>) => {
      const error = await work.catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(ExpectedVersionConflictError)
      expect(isExpectedVersionConflictError(error)).toBe(true)
      return error
    }
    await refuses(append(STREAM_EXISTS))
    await refuses(append(1n))
    expect(await append(0n)).toMatchObject({ nextExpectedStreamVersion: 1n, createdNewStream: true })
    await refuses(append(STREAM_DOES_NOT_EXIST))
    await refuses(append(0n))
    expect(await refuses(append(2n))).toMatchObject({ current: '1', expected: '2' })
    expect(await append(1n)).toMatchObject({ nextExpectedStreamVersion: 2n, createdNewStream: false })
    expect(await append(STREAM_EXISTS)).toMatchObject({ nextExpectedStreamVersion: 3n })
    expect(await append(NO_CONCURRENCY_CHECK)).toMatchObject({ nextExpectedStreamVersion: 4n })
    expect(
      await store.appendToStream('cart-2', [added(1)], { expectedStreamVersion: STREAM_DOES_NOT_EXIST }),
    ).toMatchObject({
      createdNewStream: true,
    })
    await refuses(store.readStream('cart-1', { expectedStreamVersion: 3n }))
    await refuses(store.aggregateStream('cart-9', { ...folding, read: { expectedStreamVersion: STREAM_EXISTS } }))
    await store.readStream('cart-1', { expectedStreamVersion: 4n })
  })

  it('says whether a stream exists, also after it was deleted', async () => {
    await using context = await given(open, [1])
    expect([await context.store.streamExists('cart-1'), await context.store.streamExists('cart-2')]).toEqual([
      true,
      false,
    ])
    await context.aegis.deleteStream('cart-1')
    expect(await context.store.streamExists('cart-1')).toBe(false)
    const again = await context.store.appendToStream('cart-1', [added(1)], {
      expectedStreamVersion: STREAM_DOES_NOT_EXIST,
    })
    expect(again.nextExpectedStreamVersion).toBe(2n)
  })

  it('casts events of older schemas up and newer ones down, bigint among them', async () => {
    await using context = await given(open)
    type Paid = Event<'Paid', { cents: bigint }>
    type StoredPaid = Event<'Paid', { cents: string }>
    const downcast = ({ type, data }: Paid): StoredPaid => ({ type, data: { cents: String(data.cents) } })
    const upcast = ({ type, data }: StoredPaid): Paid => ({ type, data: { cents: BigInt(data.cents) } })
    await expect(
      context.store.appendToStream<Paid>('p', [{ type: 'Paid', data: { cents: 7n } }]),
    ).rejects.toMatchObject({
      code: 'EVENT_INVALID',
    })
    await context.store.appendToStream<Paid, StoredPaid>('p', [{ type: 'Paid', data: { cents: 7n } }], {
      schema: { versioning: { downcast } },
    })
    const { events } = await context.store.readStream<Paid, StoredPaid>('p', { schema: { versioning: { upcast } } })
    expect(events[0]!.data).toEqual({ cents: 7n })
  })

  it("Emmett's command handlers work on it: state, refusals, retries after a conflict", async () => {
    await using context = await given(open)
    const { store } = context
    const handle = CommandHandler<Cart, CartEvent>({ ...folding, retry: { onVersionConflict: true } })
    const first = await handle(store, 'cart-1', () => added(2))
    expect(first).toMatchObject({ newState: { quantity: 2 }, nextExpectedStreamVersion: 1n, createdNewStream: true })
    let tries = 0
    const raced = await handle(store, 'cart-1', async state => {
      if (tries++ === 0) await store.appendToStream('cart-1', [added(10)])
      return added(state.quantity)
    })
    expect([tries, raced.newState.quantity, raced.nextExpectedStreamVersion]).toEqual([2, 24, 3n])
    const nothing = await handle(store, 'cart-1', () => [])
    expect(nothing).toMatchObject({ newEvents: [], nextExpectedStreamVersion: 3n })

    const once = CommandHandler<Cart, CartEvent>(folding)
    await expect(once(store, 'cart-1', () => added(1), { expectedStreamVersion: 1n })).rejects.toBeInstanceOf(
      ExpectedVersionConflictError,
    )

    const decide = DeciderCommandHandler(cart)
    await decide(store, 'cart-1', { type: 'ConfirmCart', data: { at: 'now' } })
    await expect(
      decide(store, 'cart-1', { type: 'AddItem', data: { product: 'p', quantity: 1 } }),
    ).rejects.toBeInstanceOf(IllegalStateError)
    expect((await store.aggregateStream('cart-1', folding)).state).toEqual({ status: 'confirmed', quantity: 24 })
  })

  it("the same decider passes Emmett's specification", () => {
    const specify = DeciderSpecification.for(cart)
    specify([added(1)])
      .when({ type: 'AddItem', data: { product: 'p', quantity: 2 } })
      .then([added(2)])
    specify([{ type: 'CartConfirmed', data: { at: 'now' } }])
      .when({ type: 'AddItem', data: { product: 'p', quantity: 2 } })
      .thenThrows(IllegalStateError)
  })

  it('many handlers of one stream at once lose no event', async () => {
    await using context = await given(open)
    const handle = CommandHandler<Cart, CartEvent>({
      ...folding,
      retry: { retries: 1000, minTimeout: 1, maxTimeout: 1, shouldRetryError: isExpectedVersionConflictError },
    })
    await Promise.all(Array.from({ length: 20 }, () => handle(context.store, 'cart-1', () => added(1))))
    const { state, currentStreamVersion } = await context.store.aggregateStream('cart-1', folding)
    expect([state.quantity, currentStreamVersion]).toEqual([20, 20n])
  })

  it('closing it closes the store that it stands on', async () => {
    await using context = await given(open)
    await context.store.close()
    await expect(context.store.streamExists('cart-1')).rejects.toMatchObject({ code: 'EVENT_STORE_CLOSED' })
  })
})
