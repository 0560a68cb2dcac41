import { setTimeout } from 'node:timers/promises'
import { EventStore } from '@aegis/eventstore'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { limitRow, measureOnce, median, type Row, row, runs } from '../measure.ts'

const event = (n: number) => ({ type: 'OrderPlaced', data: order(n) })
const perStream = 10
const perTransaction = 100

export const benchmark: Benchmark = {
  about:
    'The same work in stores of 10 thousand, 1 million and 10 million events, in streams of 10, so of a million streams in the end, at rest and by turns: what it becomes as the store grows, against the smallest',
  async run({ folder, size }) {
    const stores: Filled[] = []
    for (const total of [10_000, 1_000_000, 10_000_000]) {
      const store = await EventStore.open({ dataDir: await folder() })
      const streams = Math.ceil(size(total) / perStream)
      await fill(store, streams)
      stores.push({ name: `store of ${(total / 1e6).toLocaleString('en')} M events`, store, streams })
    }
    await rest()
    const rows = await compared(stores, size(2_000))
    const { store, streams } = stores.at(-1)!
    rows.push(await memoryRow(store, streams))
    for (const filled of stores) await filled.store.close()
    return rows
  },
}

interface Filled {
  readonly name: string
  readonly store: EventStore
  readonly streams: number
}

/** Until LevelDB has compacted what was written: for two seconds the process does next to nothing. */
async function rest(): Promise<void> {
  for (let quiet = 0; quiet < 2; ) {
    const before = process.cpuUsage()
    await setTimeout(1_000)
    const { user, system } = process.cpuUsage(before)
    quiet = user + system < 50_000 ? quiet + 1 : 0
  }
}

/** Streams are made many in a transaction: for ten million events a commit for each stream would take longer than all that is measured. */
async function fill(store: EventStore, streams: number): Promise<void> {
  await inFlight(Math.ceil(streams / perTransaction), 4, n =>
    store.transaction(async tx => {
      const begin = n * perTransaction
      for (let stream = begin; stream < Math.min(streams, begin + perTransaction); stream++) {
        await tx.append(
          `order-${stream}`,
          Array.from({ length: perStream }, (_, at) => event(at)),
        )
      }
    }),
  )
}

/** What is done in each store by turns, so many units a run. */
interface Work {
  readonly name: string
  readonly units: string
  readonly count: number
  run(filled: Filled, round: number): Promise<unknown>
}

function works(count: number): readonly Work[] {
  // Streams far apart, so that neither their pages nor their heads are those of the round before.
  const any = ({ streams }: Filled, n: number): string => `order-${(n * 7_919) % streams}`
  const few = Math.ceil(count / 10)
  const listed = 1_000
  return [
    {
      name: 'load streams of 10',
      units: 'events',
      count: count * perStream,
      run: (filled, round) => inFlight(count, 10, n => filled.store.load(any(filled, round * count + n))),
    },
    {
      name: 'subscribe to a stream of 10 up to its end',
      units: 'subscriptions',
      count: few,
      run: (filled, round) =>
        inFlight(few, 10, async n => {
          let left = perStream
          for await (const _ of await filled.store.subscribe(any(filled, (round + 11) * count + n)))
            if (--left === 0) break
        }),
    },
    {
      name: 'list streams by prefix',
      units: 'streams',
      count: listed,
      // As many in each store.
      async run({ store }) {
        let left = listed
        for await (const _ of store.listStreams('order-*')) if (--left === 0) break
      },
    },
    {
      name: 'append to any stream',
      units: 'events',
      count,
      run: (filled, round) =>
        inFlight(count, 10, n => filled.store.append(any(filled, (round + 5) * count + n), event(n))),
    },
  ]
}

/** By turns: what else the machine does meets all stores alike. */
async function compared(stores: readonly Filled[], count: number): Promise<Row[]> {
  const rows: Row[] = []
  for (const { name, units, count: done, run } of works(count)) {
    const rates = stores.map((): number[] => [])
    for (let round = 0; round <= runs; round++) {
      for (const [at, filled] of stores.entries()) {
        const rate = await measureOnce(done, () => run(filled, round))
        if (round > 0) rates[at]!.push(rate.median)
      }
    }
    const [smallest, ...larger] = rates.map(of => ({ median: median(of), slowest: Math.min(...of) }))
    for (const [at, rate] of larger.entries())
      rows.push(row(`${name}, ${stores[at + 1]!.name}`, units, rate, 'store of 10,000', smallest!, 0.67))
  }
  return rows
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
