import { EventStore } from '@aegis/eventstore'
import { openLog } from '@aegis/log'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { measure, type Rate, type Row, row } from '../measure.ts'

const event = (n: number) => ({ type: 'OrderPlaced', data: order(n) })
const perStream = 10

/**
 * The same work in a store of 10 thousand, 1 million and 10 million events, in streams of 10: what it becomes as the store
 * grows, against the smallest.
 */
export const benchmark: Benchmark = {
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const store = new EventStore(log)
    const rows: Row[] = []
    let streams = 0
    let smallest: { readonly loads: Rate; readonly appends: Rate } | undefined
    for (const total of [10_000, 1_000_000, 10_000_000]) {
      const first = streams
      const wanted = size(total) / perStream
      await inFlight(Math.max(0, wanted - first), 100, n =>
        store.append(
          `order-${first + n}`,
          Array.from({ length: perStream }, (_, at) => event(at)),
        ),
      )
      streams = Math.max(streams, wanted)
      // Streams far apart, so that neither their pages nor their heads are those of the run before.
      const any = (n: number): string => `order-${(n * 7_919) % wanted}`
      const count = size(2_000)
      const loads = await measure(count * perStream, run => inFlight(count, 10, n => store.load(any(run * count + n))))
      const appends = await measure(count, run =>
        inFlight(count, 10, n => store.append(any((run + 5) * count + n), event(n))),
      )
      smallest ??= { loads, appends }
      if (total === 10_000) continue
      const name = `${(total / 1e6).toLocaleString('en')} M events`
      rows.push(
        row(`load streams of 10, store of ${name}`, 'events', loads, 'store of 10,000', smallest.loads, 1 / 1.5),
        row(`append to any stream, store of ${name}`, 'events', appends, 'store of 10,000', smallest.appends, 1 / 1.5),
      )
    }
    return rows
  },
}
