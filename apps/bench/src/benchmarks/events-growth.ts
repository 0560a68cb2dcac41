import { EventStore } from '@aegis/eventstore'
import { openLog } from '@aegis/log'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { limitRow, measure, type Rate, type Row, row } from '../measure.ts'

const event = (n: number) => ({ type: 'OrderPlaced', data: order(n) })
const perStream = 10
const perTransaction = 100

export const benchmark: Benchmark = {
  about:
    'The same work in a store of 10 thousand, 1 million and 10 million events, in streams of 10, so a million streams in the end: what it becomes as the store grows, against the smallest',
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const store = new EventStore(log)
    const rows: Row[] = []
    let streams = 0
    let smallest: Figures | undefined
    for (const total of [10_000, 1_000_000, 10_000_000]) {
      const wanted = Math.max(streams, Math.ceil(size(total) / perStream))
      await fill(store, streams, wanted)
      streams = wanted
      const figures = await figuresOf(store, streams, size(2_000))
      smallest ??= figures
      if (total === 10_000) continue
      const name = `store of ${(total / 1e6).toLocaleString('en')} M events`
      const compared = (work: string, units: string, ours: Rate, reference: Rate): void => {
        rows.push(row(`${work}, ${name}`, units, ours, 'store of 10,000', reference, 0.67))
      }
      compared('load streams of 10', 'events', figures.loads, smallest.loads)
      compared('append to any stream', 'events', figures.appends, smallest.appends)
      compared(
        'subscribe to a stream of 10 up to its end',
        'subscriptions',
        figures.subscriptions,
        smallest.subscriptions,
      )
      compared('list streams by prefix', 'streams', figures.lists, smallest.lists)
    }
    return [...rows, await memoryRow(store, streams)]
  },
}

/** Streams are made many in a transaction: for ten million events a commit for each stream would take longer than all that is measured. */
async function fill(store: EventStore, first: number, end: number): Promise<void> {
  const transactions = Math.ceil((end - first) / perTransaction)
  await inFlight(transactions, 4, n =>
    store.transaction(async tx => {
      const begin = first + n * perTransaction
      for (let stream = begin; stream < Math.min(end, begin + perTransaction); stream++) {
        await tx.append(
          `order-${stream}`,
          Array.from({ length: perStream }, (_, at) => event(at)),
        )
      }
    }),
  )
}

interface Figures {
  readonly loads: Rate
  readonly appends: Rate
  readonly subscriptions: Rate
  readonly lists: Rate
}

async function figuresOf(store: EventStore, streams: number, count: number): Promise<Figures> {
  // Streams far apart, so that neither their pages nor their heads are those of the run before.
  const any = (n: number): string => `order-${(n * 7_919) % streams}`
  const loads = await measure(count * perStream, run => inFlight(count, 10, n => store.load(any(run * count + n))))
  const few = Math.ceil(count / 10)
  const subscriptions = await measure(few, run =>
    inFlight(few, 10, async n => {
      let left = perStream
      for await (const _ of await store.subscribe(any((run + 11) * count + n))) if (--left === 0) break
    }),
  )
  const appends = await measure(count, run =>
    inFlight(count, 10, n => store.append(any((run + 5) * count + n), event(n))),
  )
  // About as many streams in each store.
  const prefix = `order-${String(streams - 1).slice(0, Math.max(0, String(streams - 1).length - 3))}*`
  let listed = 0
  for await (const _ of store.listStreams(prefix)) listed++
  const lists = await measure(listed, async () => {
    for await (const _ of store.listStreams(prefix));
  })
  return { loads, appends, subscriptions, lists }
}

/** All streams are listed and ten thousand loaded: what the process has beyond the start, at most. */
async function memoryRow(store: EventStore, streams: number): Promise<Row> {
  const used = (): number => {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return (heapUsed + external) / 1e6
  }
  const before = used()
  let most = 0
  let listed = 0
  for await (const _ of store.listStreams('order-*')) if (++listed % 50_000 === 0) most = Math.max(most, used())
  for (let round = 0; round < 10; round++) {
    await inFlight(Math.min(1_000, streams), 10, n => store.load(`order-${((round * 1_000 + n) * 7_919) % streams}`))
    most = Math.max(most, used())
  }
  const work = `memory: ${listed.toLocaleString('en')} streams listed, 10,000 loaded`
  return limitRow(work, 'MB', Math.max(1, most - before), 64)
}
