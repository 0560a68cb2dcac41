import { EventStore } from '@aegis/eventstore'
import { openLog } from '@aegis/log'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { measure, row } from '../measure.ts'

/** Appends and loads of event streams against the same serialisation alone. */
export const benchmark: Benchmark = {
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const store = new EventStore(log)
    const event = (n: number) => ({ type: 'OrderPlaced', data: order(n) })
    const count = size(20_000)
    const stringify = await measure(count, () => {
      let length = 0
      for (let n = 0; n < count; n++) length += JSON.stringify(event(n)).length
      return length
    })
    const writers = await measure(count, run =>
      inFlight(count, 100, n => store.append(`order-${run}-${n % 100}`, event(n))),
    )
    const alone = size(2000)
    const awaited = await measure(alone, run => inFlight(alone, 1, n => store.append(`alone-${run}`, event(n))))
    const streams = size(1000)
    await inFlight(streams, 50, n =>
      store.append(
        `ten-${n}`,
        Array.from({ length: 10 }, (_, at) => event(at)),
      ),
    )
    await inFlight(10, 10, n =>
      store.append(
        `long-${n}`,
        Array.from({ length: 1000 }, (_, at) => event(at)),
      ),
    )
    const text = JSON.stringify(event(1))
    const parse = await measure(streams * 10, () => {
      let amount = 0
      for (let n = 0; n < streams * 10; n++) amount += JSON.parse(text).data.amount
      return amount
    })
    const ten = await measure(streams * 10, () => inFlight(streams, 10, n => store.load(`ten-${n}`)))
    const long = await measure(10_000, () => inFlight(10, 1, n => store.load(`long-${n}`)))
    return [
      row('append one event, 100 writers, fsync', 'events', writers, 'bare JSON.stringify', stringify),
      row('append one event at a time, fsync', 'events', awaited, 'bare JSON.stringify', stringify),
      row('load streams of 10 events', 'events', ten, 'bare JSON.parse', parse),
      row('load streams of 1,000 events', 'events', long, 'bare JSON.parse', parse),
    ]
  },
}
