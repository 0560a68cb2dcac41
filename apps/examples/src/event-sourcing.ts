// The events of an account are its truth; the account is what follows from them.
import { AggregateRoot, Event } from '@aegis/eventstore'
import { StreamingEngine } from '@aegis/streaming'

type AccountEvent =
  | { type: 'AccountCreated'; data: { owner: string } }
  | { type: 'MoneyDeposited'; data: { amount: number } }
  | { type: 'MoneyWithdrawn'; data: { amount: number } }

class Account extends AggregateRoot<AccountEvent> {
  owner = ''
  balance = 0

  apply(event: AccountEvent) {
    switch (event.type) {
      case 'AccountCreated':
        this.owner = event.data.owner
        break
      case 'MoneyDeposited':
        this.balance += event.data.amount
        break
      case 'MoneyWithdrawn':
        this.balance -= event.data.amount
    }
  }

  withdraw(amount: number) {
    if (amount > this.balance) throw new Error(`${this.owner} has only ${this.balance}`)
    this.raise(new Event('MoneyWithdrawn', { amount }))
  }
}

const engine = await StreamingEngine.open({ dataDir: './data' })

// 'no-stream' lets only one of two who create the account at the same time win.
if ((await engine.events.load('account-123')).length === 0) {
  await engine.events.append(
    'account-123',
    [new Event('AccountCreated', { owner: 'Alice' }), new Event('MoneyDeposited', { amount: 100 })],
    { expectedVersion: 'no-stream' },
  )
}

// Decide on what was loaded, and append only if nobody else has been there in between.
const account = Account.fromEvents(await engine.events.load('account-123'))
if (account.balance === 100) {
  account.withdraw(70)
  await engine.events.append('account-123', account.uncommitted, { expectedVersion: account.version })
}
console.log(account.owner, 'has', account.balance)

// All accounts, from their first event on; then the loop waits for new ones.
for await (const event of await engine.events.subscribe('account-*')) {
  console.log(event.type, event.streamId, event.version)
  if (event.type === 'MoneyWithdrawn') break
}

await engine.close()
