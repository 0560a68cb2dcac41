import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { measure, row } from '../measure.ts'

export const benchmark: Benchmark = {
  about:
    'Messages one by one, acknowledged after fsync, against the serialisation alone, and against what nobody can do without who gives each message a promise: the same loop with nothing stored',
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('orders')
    const count = size(200_000)
    const bare = await measure(count, () => {
      let length = 0
      for (let n = 0; n < count; n++) length += JSON.stringify(order(n)).length
      return length
    })
    const promised = await measure(count, () => inFlight(count, 1000, promisedOnly()))
    const one = await measure(count, () => inFlight(count, 1000, n => pubsub.publish('orders', { payload: order(n) })))
    const work = 'publish JSON of 100 bytes, 1,000 in flight, fsync'
    return [
      row(work, 'messages', one, 'bare JSON.stringify', bare, 0.5),
      row(work, 'messages', one, 'JSON.stringify and a promise each, stored nowhere', promised),
      row('JSON.stringify and a promise each, stored nowhere', 'messages', promised, 'bare JSON.stringify', bare),
    ]
  },
}

/** Serialises, and resolves with a position in the next turn. */
function promisedOnly(): (n: number) => Promise<unknown> {
  let turn: Promise<void> | undefined
  let bytes = 0
  return n => {
    bytes += JSON.stringify(order(n)).length
    turn ??= new Promise(resolve =>
      setImmediate(() => {
        turn = undefined
        resolve()
      }),
    )
    const position = { topic: 'orders', partition: 0, offset: bytes, timestamp: n }
    return turn.then(() => position)
  }
}
