import { type Log, openLog } from '@aegis/log'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { average, count, max, min, type RunnableProcessor, StreamProcessor, sum } from '../src/index.ts'
import { type Crash, crashingLog } from './given/crashing-log.ts'
import { naiveWindows } from './given/naive-windows.ts'
import { outgoing, recordsOf, resultsOf } from './given/topics.ts'

const partitions = 3
const size = 10

interface Sale {
  readonly partition: number
  readonly time: number
  readonly customer: string | null
  readonly amount: number
}

const sales: fc.Arbitrary<Sale[]> = fc.array(
  fc.record({
    partition: fc.nat({ max: partitions - 1 }),
    time: fc.integer({ min: -40, max: 40 }),
    customer: fc.constantFrom('ada', 'bob', '__proto__', '', null),
    // Sums of fractions depend on their order.
    amount: fc.constantFrom(0.1, 0.2, 0.3, 1e16, -1),
  }),
  { maxLength: 40 },
)

/** In between the program publishes, is killed, closes its job, or lets it work. */
type Action =
  | { readonly kind: 'publish'; readonly sales: readonly Sale[] }
  | { readonly kind: 'kill'; readonly at: number; readonly crash: Crash }
  | { readonly kind: 'close'; readonly soon: boolean }

const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('publish' as const), sales }),
    fc.record({
      kind: fc.constant('kill' as const),
      at: fc.nat({ max: 6 }),
      crash: fc.constantFrom<Crash>('before commit', 'after commit'),
    }),
    fc.record({ kind: fc.constant('close' as const), soon: fc.boolean() }),
  ),
  { maxLength: 12 },
)

const windowed = (log: Log, outOfOrderness: number) =>
  new StreamProcessor(log, { id: 'sales', outOfOrderness })
    .source({ topic: 'sales', decode: record => JSON.parse(Buffer.from(record.value!).toString()) as Sale })
    .timestampBy(sale => sale.time)
    .keyBy(sale => sale.customer)
    .window(size)

const forms: Record<string, (log: Log, outOfOrderness: number) => RunnableProcessor> = {
  function: (log, outOfOrderness) =>
    windowed(log, outOfOrderness)
      .aggregate(items => items.map(({ time, amount }) => [time, amount]))
      .sink('results'),
  aggregators: (log, outOfOrderness) =>
    windowed(log, outOfOrderness)
      .aggregate({
        n: count(),
        total: sum(sale => sale.amount),
        least: min(sale => sale.amount),
        most: max(sale => sale.amount),
        mean: average(sale => sale.amount),
      })
      .sink('results'),
}

const naive: Record<string, (items: readonly Sale[]) => unknown> = {
  function: items => items.map(({ time, amount }) => [time, amount]),
  aggregators: items => {
    const amounts = items.map(({ amount }) => amount)
    const total = amounts.reduce((a, b) => a + b, 0)
    const [least, most] = [Math.min(...amounts), Math.max(...amounts)]
    return { n: items.length, total, least, most, mean: total / items.length }
  },
}

async function givenLog(): Promise<Log> {
  const log = await openLog({ memory: true })
  await log.createTopic('sales', { partitions })
  return log
}

async function publish(log: Log, sales: readonly Sale[]): Promise<void> {
  // One append per record, so that partitions interleave in many ways.
  await Promise.all(
    sales.map(sale => log.append('sales', outgoing({ payload: sale, partition: sale.partition, timestamp: 0 }))),
  )
}

/** The payloads as the sink has them. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

for (const form of Object.keys(forms)) {
  it(`gives each result once, as a plain loop does, however often it is interrupted (${form})`, async () => {
    await fc.assert(
      fc.asyncProperty(actions, fc.constantFrom(0, 7), async (actions, outOfOrderness) => {
        await using log = await givenLog()
        let at = Number.POSITIVE_INFINITY
        let crash: Crash = 'before commit'
        for (const action of actions) {
          if (action.kind === 'publish') await publish(log, action.sales)
          else if (action.kind === 'kill') {
            at = action.at
            crash = action.crash
            // The drain is killed too: then windows are closed that others would have kept open, so only at the end.
            const job = await start(forms[form]!(crashingLog(log, at, crash), outOfOrderness))
            if (job === undefined) continue
            while (job.status === 'running' && job.stats().lag > 0) await new Promise(setImmediate)
            await job.close()
          } else {
            const job = await forms[form]!(log, outOfOrderness).start()
            if (!action.soon) while (job.stats().lag > 0) await new Promise(setImmediate)
            await job.close()
          }
        }
        const job = await forms[form]!(log, outOfOrderness).start()
        await job.drain()

        const expected = naiveWindows(await recordsOf(log, 'sales'), partitions, size, outOfOrderness, naive[form]!)
        expect(await resultsOf(log, 'results')).toEqual(plain(expected.results))
        expect(job.stats()).toMatchObject({ late: expected.late, recordsIn: expected.records, openWindows: 0, lag: 0 })
      }),
      { numRuns: 100 },
    )
  })
}

async function start(processor: RunnableProcessor) {
  try {
    const job = await processor.start()
    job.finished.catch(() => undefined)
    return job
  } catch {
    return undefined
  }
}

it('a drain that is killed goes on with the next one', async () => {
  await fc.assert(
    fc.asyncProperty(sales, fc.array(fc.nat({ max: 4 }), { maxLength: 4 }), async (sales, kills) => {
      await using log = await givenLog()
      await publish(log, sales)
      for (const at of kills) {
        const job = await start(forms['function']!(crashingLog(log, at, 'after commit'), 0))
        await job?.drain().catch(() => undefined)
      }
      await (await forms['function']!(log, 0).start()).drain()
      const expected = naiveWindows(await recordsOf(log, 'sales'), partitions, size, 0, naive['function']!)
      expect(await resultsOf(log, 'results')).toEqual(plain(expected.results))
    }),
    { numRuns: 50 },
  )
})
