import { count, max, sum } from '@aegis/processing'
import type { StreamingEngine } from '@aegis/streaming'
import type { Flight } from './flight.ts'
import type { Running } from './running.ts'
import { flights, type HourlyDelay, hourlyDelays } from './topics.ts'

export interface HourlyDelays extends Running {
  /** Works to the present end of the flights and closes all windows: no more flights will come. */
  drain(): Promise<void>
}

/** The processor of the departures by airport and hour. */
export async function startHourlyDelays(engine: StreamingEngine): Promise<HourlyDelays> {
  const job = await engine
    .processor(hourlyDelays)
    .source(flights)
    .keyBy((flight: Flight) => flight.origin)
    .window('1h')
    .aggregate({
      count: count(),
      totalDelay: sum((flight: Flight) => flight.delay),
      maxDelay: max((flight: Flight) => flight.delay),
    })
    .map(
      ({ count, totalDelay, maxDelay }, { key, start }): HourlyDelay => ({
        origin: key,
        start: new Date(start).toISOString(),
        count,
        totalDelay,
        maxDelay: maxDelay ?? 0,
      }),
    )
    .sink(hourlyDelays)
    .start()
  return {
    ended: job.finished,
    lag: async () => job.stats().lag,
    drain: () => job.drain(),
    close: () => job.close(),
  }
}
