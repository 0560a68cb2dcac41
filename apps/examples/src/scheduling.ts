// Messages once by their id, later, and again and again; a question and its answer.
import { StreamingEngine } from '@aegis/streaming'

const engine = await StreamingEngine.open({ dataDir: './data' })
await engine.createTopic('orders')
await engine.createTopic('reminders')

// Whoever does not know whether it was published publishes it again: the id is kept with the message.
const order = { messageId: 'request-7', payload: { total: 5 } }
const first = await engine.publish('orders', order)
const again = await engine.publish('orders', order)
console.log('the same place:', first.offset === again.offset, '- again:', again.duplicate)

// In one commit: the order and what is to follow it, or neither.
const reminders = await engine.subscribe('reminders', { groupId: 'mail' })
await engine.transaction(tx => {
  tx.publish('orders', { payload: { total: 7 } })
  tx.publish('reminders', { payload: 'how was it?', delay: '50ms' })
})
for await (const reminder of reminders) {
  console.log(reminder.payload)
  reminder.ack()
  break
}

// Set at each start, changed when its settings change, published also when the program was down at eight.
const { schedules } = engine.pubsub
const report = {
  topic: 'reminders',
  message: { payload: 'report' },
  cron: '0 8 * * MON-FRI',
  timeZone: 'Europe/Vienna',
}
const { cron, timeZone } = await schedules.set('report', report)
console.log('report at', cron, timeZone)
await schedules.cancel('report')

await using _ = await engine.pubsub.respond('orders', ({ payload }) => ({ cents: payload.total * 100 }))
console.log(await engine.pubsub.request('orders', { payload: { total: 3 } }))

await engine.close()
