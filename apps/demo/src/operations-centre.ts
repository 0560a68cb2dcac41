import type { StreamingEngine } from '@aegis/streaming'
import { Airports } from './airports.ts'
import { Feed } from './feed.ts'
import type { FlightsFile } from './flights-file.ts'
import { type HourlyDelays, startHourlyDelays } from './hourly-delays.ts'
import { startOperations } from './operations.ts'
import type { Running } from './running.ts'
import { createTopics } from './topics.ts'

/** The feed, and what works on the flights that it publishes. */
export interface OperationsCentre {
  readonly feed: Feed
  readonly operations: Running
  readonly hourly: HourlyDelays
  close(): Promise<void>
}

/** Starts everything where an earlier run left it. */
export async function startOperationsCentre(
  engine: StreamingEngine,
  file: FlightsFile,
  airports?: Airports,
): Promise<OperationsCentre> {
  await createTopics(engine)
  const operations = await startOperations(engine, airports ?? (await Airports.read()))
  const hourly = await startHourlyDelays(engine)
  const close = async () => {
    await operations.close()
    await hourly.close()
  }
  return { feed: await Feed.open(engine, file), operations, hourly, close }
}
