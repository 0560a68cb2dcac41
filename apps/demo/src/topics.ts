import type { StreamingEngine } from '@aegis/streaming'

export const flights = 'flights'
/** Entries of the file that are no flights, each with the reason in its headers. */
export const rejected = 'flights.dead'
export const alerts = 'alerts'
export const hourlyDelays = 'hourly-delays'
export const airports = 'airports'
export const operations = 'operations'

const partitions = 4

/** An alert: a flight that left more than an hour late. */
export interface Alert {
  readonly origin: string
  readonly destination: string
  readonly delay: number
  readonly date: string
}

/** A row of the table `airports`. */
export interface AirportRow {
  readonly iata: string
  readonly name: string
  readonly city: string
  readonly state: string
  readonly departures: number
  /** Departures more than 15 minutes late. */
  readonly late: number
  readonly totalDelay: number
  readonly worstDelay: number
}

/** The departures of one airport in one hour. */
export interface HourlyDelay {
  readonly origin: string
  /** The hour's start, ISO 8601. */
  readonly start: string
  readonly count: number
  readonly totalDelay: number
  readonly maxDelay: number
}

/** Makes the topics and the table, or finds them as an earlier run made them. */
export async function createTopics(engine: StreamingEngine): Promise<void> {
  await engine.createTopic(flights, { partitions })
  await engine.createTopic(rejected)
  await engine.createTopic(alerts)
  await engine.createTopic(hourlyDelays, { partitions })
  await openAirports(engine)
}

/** The table of airports, made when it is not there. */
export function openAirports(engine: StreamingEngine) {
  return engine.cdc.table<AirportRow>(airports, { primaryKey: 'iata' })
}

/** The event stream of an airport. */
export function streamOf(iata: string): string {
  return `airport-${iata}`
}
