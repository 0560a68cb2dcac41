import { decodePayload, type Log, type LogRecord } from '@aegis/log'
import type { StreamingEngine } from '@aegis/streaming'
import {
  type AirportRow,
  alerts,
  flights,
  type HourlyDelay,
  hourlyDelays,
  openAirports,
  rejected,
  streamOf,
} from './topics.ts'

type AirportFigures = Pick<AirportRow, 'departures' | 'late' | 'totalDelay' | 'worstDelay'>

/** What is stored at the end of the input. */
export interface Summary {
  readonly flights: number
  /** Entries of the file that are no flights. */
  readonly rejected: number
  readonly alerts: number
  readonly events: number
  readonly changes: { readonly insert: number; readonly update: number; readonly delete: number }
  readonly airports: Readonly<Record<string, AirportFigures>>
  /** By start, then origin. */
  readonly windows: readonly HourlyDelay[]
}

/** Reads everything back from the topics, the streams and the table. */
export async function readSummary(engine: StreamingEngine): Promise<Summary> {
  const { log } = engine
  const table = await openAirports(engine)
  const rows: AirportRow[] = []
  for await (const row of table.scan()) rows.push(row)
  let events = 0
  for (const { iata } of rows) events += (await engine.events.load(streamOf(iata))).length
  const changes = { insert: 0, update: 0, delete: 0, truncate: 0 }
  for await (const record of readAll(log, table.topic)) changes[table.decode(record).op]++
  const windows: HourlyDelay[] = []
  for await (const record of readAll(log, hourlyDelays)) windows.push(decodePayload('json', record) as HourlyDelay)
  return {
    flights: await count(log, flights),
    rejected: await count(log, rejected),
    alerts: await count(log, alerts),
    events,
    changes: { insert: changes.insert, update: changes.update, delete: changes.delete },
    airports: Object.fromEntries(
      rows.map(({ iata, departures, late, totalDelay, worstDelay }) => [
        iata,
        { departures, late, totalDelay, worstDelay },
      ]),
    ),
    windows: windows.sort((a, b) => compare(a.start, b.start) || compare(a.origin, b.origin)),
  }
}

async function count(log: Log, topic: string): Promise<number> {
  let records = 0
  for await (const _ of readAll(log, topic)) records++
  return records
}

/** The records that the topic has now, one partition after the other. */
async function* readAll(log: Log, topic: string): AsyncGenerator<LogRecord> {
  const { partitions, endOffset } = await log.describeTopic(topic)
  for (let partition = 0; partition < partitions; partition++) {
    for (let from = 0; from < endOffset; ) {
      const { records, nextOffset } = await log.read(topic, partition, { from, maxRecords: 1_000 })
      yield* records
      if (nextOffset <= from) break
      from = nextOffset
    }
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
