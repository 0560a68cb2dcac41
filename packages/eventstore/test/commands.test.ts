import { describe, expect, it } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { AggregateRoot, type Decider, EventStore } from '../src/index.ts'

type AccountEvent = { type: 'Deposited'; data: { amount: number } } | { type: 'Withdrawn'; data: { amount: number } }
type AccountCommand = { deposit: number } | { withdraw: number } | 'nothing'

const account: Decider<number, AccountCommand, AccountEvent> = {
  initialState: () => 0,
  evolve: (balance, { type, data }) => (type === 'Deposited' ? balance + data.amount : balance - data.amount),
  decide(command, balance) {
    if (command === 'nothing') return []
    if ('deposit' in command) return { type: 'Deposited', data: { amount: command.deposit } }
    if (command.withdraw > balance) throw new Error(`only ${balance}`)
    return [{ type: 'Withdrawn', data: { amount: command.withdraw } }]
  },
}

class Account extends AggregateRoot<AccountEvent> {
  balance = 0
  applied = 0
  apply({ type, data }: AccountEvent): void {
    this.applied++
    this.balance += type === 'Deposited' ? data.amount : -data.amount
  }
  deposit(amount: number): void {
    this.raise({ type: 'Deposited', data: { amount } })
  }
  withdraw(amount: number): void {
    if (amount > this.balance) throw new Error(`only ${this.balance}`)
    this.raise({ type: 'Withdrawn', data: { amount } })
  }
}

/** The decider, counting the events that were read for its state. */
function counting(): Decider<number, AccountCommand, AccountEvent> & { evolved: number } {
  return {
    ...account,
    evolved: 0,
    evolve(balance, event) {
      this.evolved++
      return account.evolve(balance, event)
    },
  }
}

describeEachLog('commands', open => {
  describe('a command handler', () => {
    it('appends what was decided and gives the state after it', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const accounts = store.commandHandler(account)
      expect(await accounts.load('a')).toEqual({ state: 0, version: -1 })
      const options = { correlationId: 'c', metadata: { user: 'Ada' } }
      const first = await accounts.handle('a', { deposit: 5 }, options)
      expect(first).toMatchObject({ streamId: 'a', state: 5, version: 0, events: [{ type: 'Deposited' }] })
      expect(await accounts.handle('a', { withdraw: 2 })).toMatchObject({ state: 3, version: 1 })
      const events = await store.load('a')
      expect(events[0]).toMatchObject({
        id: first.ids[0],
        position: first.position,
        metadata: { correlationId: 'c', user: 'Ada' },
      })
      expect(await accounts.load('a')).toEqual({ state: 3, version: 1 })
    })

    it('writes nothing when nothing is decided or the command is refused', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const accounts = store.commandHandler(account)
      expect(await accounts.handle('a', 'nothing')).toMatchObject({ state: 0, version: -1, position: -1, events: [] })
      await expect(accounts.handle('a', { withdraw: 1 })).rejects.toThrow('only 0')
      expect(await store.load('a')).toEqual([])
    })

    it('decides anew when another append came between: no command is lost, none is decided on an old state', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const handlers = [
        store.commandHandler(account, { retries: 100 }),
        store.aggregates(Account, { retries: 100 }),
      ] as const
      await handlers[0].handle('a', { deposit: 10 })
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, (_, n) =>
          n % 2 === 0 ? handlers[0].handle('a', { withdraw: 1 }) : handlers[1].handle('a', it => it.withdraw(1)),
        ),
      )
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
      expect(await handlers[0].load('a')).toEqual({ state: 0, version: 10 })
    })

    it('gives up after so many conflicts', async () => {
      await using log = await open()
      const store = new EventStore(log)
      let decided = 0
      const always = store.commandHandler<number, number, AccountEvent>(
        {
          ...account,
          async decide(amount) {
            decided++
            await store.append('a', { type: 'Deposited', data: { amount: 1 } })
            return { type: 'Deposited', data: { amount } }
          },
        },
        { retries: 2 },
      )
      await expect(always.handle('a', 100)).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
      expect(decided).toBe(3)
    })

    it('does not decide anew for one who has seen an older state', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const accounts = store.commandHandler(account)
      const { version } = await accounts.handle('a', { deposit: 1 }, { expectedVersion: 'no-stream' })
      await accounts.handle('a', { deposit: 1 }, { expectedVersion: version })
      const late = accounts.handle('a', { deposit: 1 }, { expectedVersion: version })
      await expect(late).rejects.toMatchObject({ code: 'VERSION_CONFLICT', details: { expected: 0, actual: 1 } })
    })

    it('is part of a transaction of the log: several streams, all or nothing', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const accounts = store.commandHandler(account, { snapshots: { version: 1, every: 1 } })
      await accounts.handle('a', { deposit: 10 })
      const move = (amount: number) =>
        log.transaction(async tx => {
          const both = accounts.within(tx)
          const to = await both.handle('b', { deposit: amount })
          expect(to.state).toBe((await both.load('b')).state)
          expect(() => to.position).toThrow(expect.objectContaining({ code: 'TRANSACTION_STATE' }))
          await both.handle('a', { withdraw: amount })
          return to
        })
      await expect(move(11)).rejects.toThrow('only 10')
      expect((await move(4)).position).toBeGreaterThan(0)
      expect([await accounts.load('a'), await accounts.load('b')]).toEqual([
        { state: 6, version: 1 },
        { state: 4, version: 0 },
      ])
    })

    it('appends an event of an id once, however often its command comes', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const once = store.commandHandler<number, { id: string; amount: number }, AccountEvent & { id: string }>(
        { ...account, decide: ({ id, amount }) => ({ id, type: 'Deposited', data: { amount } }) },
        { snapshots: { version: 1, every: 1 } },
      )
      const first = await once.handle('a', { id: 'x', amount: 5 })
      await once.handle('a', { id: 'y', amount: 1 })
      expect(await once.handle('a', { id: 'x', amount: 5 })).toEqual({ ...first, state: 6, events: [] })
      expect(await once.load('a')).toEqual({ state: 6, version: 1 })
    })

    it('goes on with a stream that was deleted or truncated', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const accounts = store.commandHandler(account, { snapshots: { version: 1, every: 2 } })
      for (let n = 0; n < 4; n++) await accounts.handle('a', { deposit: 1 })
      await store.truncateStream('a', { before: 4 })
      expect(await accounts.handle('a', { deposit: 1 })).toMatchObject({ state: 5, version: 4 })
      await store.truncateStream('a', { before: 5 })
      // Nothing is left to read, and the snapshot is of an older version: what it lacks is gone.
      expect(await accounts.handle('a', { deposit: 1 })).toMatchObject({ state: 1, version: 5 })
      await store.deleteStream('a')
      expect(await accounts.load('a')).toEqual({ state: 0, version: -1 })
      expect(await accounts.handle('a', { deposit: 7 }, { expectedVersion: 'no-stream' })).toMatchObject({
        state: 7,
        version: 6,
      })
    })
  })

  describe('an aggregate', () => {
    it('is handled by its methods, and is committed afterwards', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const accounts = store.aggregates(Account)
      const { state, version } = await accounts.handle('a', async it => {
        it.deposit(5)
        it.withdraw(2)
      })
      expect([state.balance, state.version, version, state.uncommitted]).toEqual([3, 1, 1, []])
      const loaded = await accounts.load('a')
      expect([loaded.state.balance, loaded.state.version, loaded.version]).toEqual([3, 1, 1])
    })

    it('is restored from a snapshot with its version, and reads only what came after', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const accounts = store.aggregates(Account, {
        snapshots: {
          version: 'balance',
          every: 3,
          write: ({ balance }) => ({ balance }),
          read: ({ balance }) => Object.assign(new Account(), { balance }),
        },
      })
      for (let n = 0; n < 4; n++) await accounts.handle('a', it => it.deposit(2))
      const { state } = await accounts.load('a')
      expect([state.balance, state.version, state.applied]).toEqual([8, 3, 1])
    })
  })

  describe('a snapshot', () => {
    it('is written every so many events, and only what came after is read', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const decider = counting()
      const accounts = store.commandHandler(decider, { snapshots: { version: 1, every: 10 } })
      for (let n = 0; n < 25; n++) await accounts.handle('a', { deposit: 1 })
      decider.evolved = 0
      expect(await accounts.load('a')).toEqual({ state: 25, version: 24 })
      expect(decider.evolved).toBe(5)
    })

    it('is written after so many bytes', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const decider = counting()
      const accounts = store.commandHandler(decider, { snapshots: { version: 1, bytes: '1KB' } })
      for (let n = 0; n < 30; n++) await accounts.handle('a', { deposit: 1 })
      decider.evolved = 0
      expect((await accounts.load('a')).state).toBe(30)
      expect(decider.evolved).toBeLessThan(15)
    })

    it('of changed code is ignored and replaced', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const old = store.commandHandler(account, { snapshots: { version: 1, every: 1 } })
      for (let n = 0; n < 3; n++) await old.handle('a', { deposit: 1 })
      const doubled = { ...counting(), evolve: (sum: number, { data }: AccountEvent) => sum + 2 * data.amount }
      const changed = new EventStore(log).commandHandler(doubled, { snapshots: { version: 2, every: 1 } })
      expect(await changed.load('a')).toEqual({ state: 6, version: 2 })
      expect((await changed.handle('a', { deposit: 1 })).state).toBe(8)
      const again = { ...doubled, evolve: () => Number.NaN }
      expect(await store.commandHandler(again, { snapshots: { version: 2 } }).load('a')).toEqual({
        state: 8,
        version: 3,
      })
    })

    it('belongs to its handler where two have a stream in common, if they have names', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const sums = store.commandHandler(account, { snapshots: { version: 1, every: 1, name: 'sum' } })
      const counts = store.commandHandler(
        { ...account, evolve: (count: number) => count + 1 },
        { snapshots: { version: 1, every: 1, name: 'count' } },
      )
      await sums.handle('a', { deposit: 5 })
      await counts.handle('a', { deposit: 5 })
      expect([(await sums.load('a')).state, (await counts.load('a')).state]).toEqual([10, 2])
    })

    it('of a state that is not JSON is written and read as it is told', async () => {
      await using log = await open()
      const store = new EventStore(log)
      const seen = store.commandHandler(
        {
          initialState: () => new Set<number>(),
          evolve: (set, { data }: AccountEvent) => new Set(set).add(data.amount),
          decide: (amount: number): AccountEvent => ({ type: 'Deposited', data: { amount } }),
        },
        { snapshots: { version: 1, every: 1, write: set => [...set], read: stored => new Set(stored) } },
      )
      for (const n of [1, 2, 1]) await seen.handle('a', n)
      expect((await seen.load('a')).state).toEqual(new Set([1, 2]))
    })

    it('of a deleted topic is not one of the topic that was made anew', async () => {
      await using log = await open()
      const accounts = new EventStore(log).commandHandler(account, { snapshots: { version: 1, every: 1 } })
      await accounts.handle('a', { deposit: 5 })
      await log.deleteTopic('$events')
      const anew = new EventStore(log).commandHandler(account, { snapshots: { version: 1, every: 1 } })
      expect(await anew.handle('a', { deposit: 1 })).toMatchObject({ state: 1, version: 0 })
    })

    it('needs options that make sense', async () => {
      await using log = await open()
      const store = new EventStore(log)
      for (const snapshots of [{}, { version: 1.5 }, { version: 1, every: 0 }, { version: 1, name: '\ud800' }]) {
        expect(() => store.commandHandler(account, { snapshots: snapshots as never })).toThrow(
          expect.objectContaining({ code: 'EVENT_INVALID' }),
        )
      }
      expect(() => store.commandHandler({ ...account, decide: undefined } as never)).toThrow('decide')
    })
  })
})
