import type { StreamingEngine } from '@aegis/streaming'
import { parseDate } from './flight.ts'
import type { LiveBoard } from './live-board.ts'
import { type Alert, alerts, type HourlyDelay, hourlyDelays, openAirports, rejected } from './topics.ts'

/** Tells the board what is in the streams, from the beginning, and what comes. */
export async function followLive(
  engine: StreamingEngine,
  board: LiveBoard,
): Promise<{ readonly ended: Promise<unknown>; close(): Promise<void> }> {
  const table = await openAirports(engine)
  const changes = await table.subscribe({ from: 'earliest' })
  const alerted = await engine.subscribe<Alert>(alerts, { from: 'earliest' })
  const closed = await engine.subscribe<HourlyDelay>(hourlyDelays, { from: 'earliest' })
  const refused = await engine.subscribe(rejected, { from: 'earliest' })
  const ended = Promise.all([
    each(changes, ({ newRow }) => newRow && board.airport(newRow)),
    each(alerted, ({ payload }) => board.alert(payload, parseDate(payload.date) ?? 0)),
    each(closed, ({ payload }) => board.window(payload)),
    each(refused, () => board.rejected()),
  ])
  const close = async () => {
    await Promise.all([changes, alerted, closed, refused].map(subscription => subscription.close()))
    await ended
  }
  return { ended, close }
}

async function each<T>(items: AsyncIterable<T>, show: (item: T) => void): Promise<void> {
  for await (const item of items) show(item)
}
