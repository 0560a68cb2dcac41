// Every change of a table is captured in the commit that makes it.
import { StreamingEngine } from '@aegis/streaming'

const engine = await StreamingEngine.open({ dataDir: './data' })

const users = await engine.cdc.table('users', { primaryKey: 'id' })
const changes = await engine.cdc.subscribe('users', {
  operations: ['insert', 'update', 'delete'],
  includeOldValues: true,
})

await users.insert({ id: 1, name: 'Ada' })
await users.update(1, { name: 'Ada L.' })
console.log('now', await users.get(1))
await users.delete(1)

for await (const event of changes) {
  switch (event.op) {
    case 'insert':
      console.log('insert', event.newRow)
      break
    case 'update':
      console.log('update', event.oldRow, '->', event.newRow)
      break
    case 'delete':
      console.log('delete', event.oldRow)
  }
  if (event.op === 'delete') break
}

await engine.close()
