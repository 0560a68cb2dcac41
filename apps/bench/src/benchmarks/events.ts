import { EventStore } from '@aegis/eventstore'
import { openLog } from '@aegis/log'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { measure, type Row, row } from '../measure.ts'
import { openSqlite } from '../sqlite-events.ts'

const event = (n: number) => ({ type: 'OrderPlaced', data: order(n) })
const eventsOf = (count: number) => Array.from({ length: count }, (_, at) => event(at))

export const benchmark: Benchmark = {
  about: 'Event streams against the same work over SQLite',
  async run({ folder, size }) {
    const sqlite = await openSqlite(await folder())
    if (sqlite === undefined) return []
    await using log = await openLog({ dataDir: await folder() })
    const store = new EventStore(log)
    const rows: Row[] = []
    const compare = async (
      work: string,
      goal: number | undefined,
      count: number,
      ours: (run: number) => Promise<unknown>,
      theirs: (run: number) => unknown,
    ): Promise<void> => {
      rows.push(row(work, 'events', await measure(count, ours), 'SQLite', await measure(count, theirs), goal))
    }
    const times = (count: number, work: (n: number) => unknown): void => {
      for (let n = 0; n < count; n++) work(n)
    }

    const alone = size(4_000)
    await compare(
      'append one event at a time, version expected, fsync',
      0.6,
      alone,
      run => inFlight(alone, 1, n => store.append(`alone-${run}`, event(n), { expectedVersion: n - 1 })),
      run => times(alone, n => sqlite.append(`alone-${run}`, [event(n)], n - 1)),
    )
    const count = size(20_000)
    await compare(
      'append one event, 100 writers, fsync',
      5,
      count,
      run => inFlight(count, 100, n => store.append(`order-${run}-${n % 100}`, event(n))),
      run => times(count, n => sqlite.append(`order-${run}-${n % 100}`, [event(n)])),
    )
    for (const [length, streams, loads, width, goal] of [
      [10, size(2_000), size(4_000), 10, 1],
      [1_000, 20, size(2_000), 1, 2],
      [100_000, 1, 1, 1, undefined],
    ] as const) {
      const name = (n: number): string => `long-${length}-${n % streams}`
      for (let n = 0; n < streams; n++) {
        for (let at = 0; at < length; at += 1_000) {
          const events = eventsOf(Math.min(1_000, length - at))
          await store.append(name(n), events)
          sqlite.append(name(n), events)
        }
      }
      await compare(
        `load streams of ${length.toLocaleString('en')} events`,
        goal,
        loads * length,
        () => inFlight(loads, width, n => store.load(name(n))),
        () => times(loads, n => sqlite.load(name(n))),
      )
    }
    return [...rows, await catchUp(folder, size(1_000_000))]
  },
}

/** A subscriber that begins with the first of so many events. */
async function catchUp(folder: () => Promise<string>, count: number): Promise<Row> {
  const sqlite = (await openSqlite(await folder()))!
  await using log = await openLog({ dataDir: await folder() })
  const store = new EventStore(log)
  const batch = Math.min(count, 1_000)
  for (let at = 0; at < count; at += batch) {
    const events = eventsOf(batch)
    await store.append(`s-${at % 1_000}`, events)
    sqlite.append(`s-${at % 1_000}`, events)
  }
  const ours = await measure(count, async () => {
    let seen = 0
    for await (const _ of await store.subscribe('*')) if (++seen === count) break
  })
  const theirs = await measure(count, () => {
    let position = 0
    for (;;) {
      const page = sqlite.page(position, 1_000)
      if (page.length === 0) return
      position = page.at(-1)!.position
    }
  })
  sqlite.close()
  return row('catch up from the first event', 'events', ours, 'SQLite, pages of 1,000', theirs, 2)
}
