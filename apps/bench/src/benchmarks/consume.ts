import { decodePayload, type LogRecord, openLog } from '@aegis/log'
import { type Message, PubSub } from '@aegis/pubsub'
import type { Handler } from '@aegis/subscription'
import type { Benchmark } from '../benchmark.ts'
import { order } from '../data.ts'
import { measure, row } from '../measure.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

export const benchmark: Benchmark = {
  about: 'Messages from storage against JSON.parse, layer by layer: what each adds; groups by delivery',
  async run({ folder, size }) {
    const dataDir = await folder()
    const count = size(200_000)
    {
      await using log = await openLog({ dataDir })
      await log.createTopic('orders')
      await log.createTopic('out')
      for (let from = 0; from < count; from += 1000) {
        const records = Array.from({ length: 1000 }, (_, n) => ({ value: bytes(JSON.stringify(order(from + n))) }))
        await log.append('orders', records)
      }
    }
    // Opened again: nothing is in memory.
    await using log = await openLog({ dataDir })
    const pubsub = new PubSub(log)
    const stored = Array.from({ length: 1000 }, (_, n) => Buffer.from(JSON.stringify(order(n))))
    const total = await log.endOffset('orders')
    const bare = await measure(total, () => {
      let sum = 0
      for (let n = 0; n < total; n++) sum += JSON.parse((stored[n % 1000] ?? stored[0]!).toString('utf8')).amount
      return sum
    })
    const reading = (each: (record: LogRecord) => void) =>
      measure(total, async () => {
        for (let from = 0; from < total; ) {
          const { records, nextOffset } = await log.read('orders', 0, { from, maxRecords: 1000 })
          for (const record of records) each(record)
          from = nextOffset
        }
      })
    const read = await reading(() => undefined)
    const decoded = await reading(record => decodePayload('json', record))
    const handled = await measure(total, async () => {
      let [seen, sum] = [0, 0]
      const subscription = await pubsub.subscribe('orders', { from: 'earliest', maxPollRecords: 1000 })
      await subscription.run(({ payload }) => {
        sum += payload.amount
        if (++seen === total) void subscription.close()
      })
      return sum
    })
    const iterated = await measure(total, async () => {
      let [seen, sum] = [0, 0]
      for await (const { payload } of await pubsub.subscribe('orders', { from: 'earliest', maxPollRecords: 1000 })) {
        sum += payload.amount
        if (++seen === total) break
      }
      return sum
    })
    const acknowledging = (how: 'each' | 'batch') =>
      measure(total, async run => {
        const groupId = `ack-${how}-${run}`
        const subscription = await pubsub.subscribe('orders', { groupId, from: 'earliest', maxPollRecords: 1000 })
        let [seen, sum] = [0, 0]
        let batch: Message[] = []
        for await (const message of subscription) {
          sum += message.payload.amount
          if (how === 'each') message.ack()
          else if (batch.push(message) === 1000) {
            for (const done of batch) done.ack()
            batch = []
            await subscription.commit()
          }
          if (++seen === total) break
        }
        return sum
      })
    const each = await acknowledging('each')
    const batch = await acknowledging('batch')
    const group = (delivery: 'at-least-once' | 'exactly-once') =>
      measure(total, async run => {
        const options = { groupId: `${delivery}-${run}`, from: 'earliest', delivery, maxPollRecords: 1000 } as const
        const subscription = await pubsub.subscribe('orders', options)
        let seen = 0
        const handler: Handler<Message> =
          delivery === 'exactly-once'
            ? ({ payload }, tx) => {
                tx.append('out', { value: payload.id })
                if (++seen === total) void subscription.close()
              }
            : async ({ payload }) => {
                await log.append('out', { value: payload.id })
                if (++seen === total) void subscription.close()
              }
        // Side by side where each handler waits for its own output; one transaction holds many of the others anyway.
        await subscription.run(handler, delivery === 'exactly-once' ? {} : { concurrency: 1000, order: 'none' })
      })
    const atLeastOnce = await group('at-least-once')
    const exactlyOnce = await group('exactly-once')
    return [
      row('read records from storage', 'messages', read, 'bare JSON.parse', bare),
      row('read and decode them', 'messages', decoded, 'bare JSON.parse', bare),
      row(
        'consume JSON from storage, without a group: run(handler)',
        'messages',
        handled,
        'bare JSON.parse',
        bare,
        0.8,
      ),
      row('consume JSON from storage, without a group: for await', 'messages', iterated, 'bare JSON.parse', bare, 0.8),
      row('a group that acknowledges each message', 'messages', each, 'for await without a group', iterated),
      row('the same, 1,000 at once and durably', 'messages', batch, 'each message', each),
      row('a group with one output a message, at least once', 'messages', atLeastOnce, 'bare JSON.parse', bare),
      row('the same exactly once', 'messages', exactlyOnce, 'at least once', atLeastOnce, 0.5),
    ]
  },
}
