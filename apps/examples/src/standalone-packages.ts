// Without the engine: each package alone, and together over one log, in one transaction.
import { CdcEngine } from '@aegis/cdc'
import { EventStore } from '@aegis/eventstore'
import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'

await using log = await openLog({ dataDir: './data' })
const pubsub = new PubSub(log)
const events = new EventStore(log)
const users = await new CdcEngine(log).table('users', { primaryKey: 'id' })

await pubsub.createTopic('signups')
const signups = await pubsub.subscribe('signups')

await log.transaction(async tx => {
  await users.within(tx).upsert({ id: 1, name: 'Ada' })
  await events.within(tx).append('user-1', { type: 'SignedUp', data: { name: 'Ada' } })
  await pubsub.within(tx).publish('signups', { payload: 'Ada' })
})

for await (const { payload } of signups) {
  console.log('signed up:', payload, await users.get(1))
  break
}
