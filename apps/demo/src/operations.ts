import type { StreamingEngine } from '@aegis/streaming'
import type { Airports } from './airports.ts'
import type { Flight } from './flight.ts'
import type { Running } from './running.ts'
import { type AirportRow, type Alert, alerts, flights, openAirports, operations, streamOf } from './topics.ts'

/** A departure over this many minutes late counts as late. */
const late = 15
/** A delay over this many minutes is an alert. */
const alarming = 60

/** The group that handles each flight exactly once: event, row and alert are one commit with the group's position. */
export async function startOperations(engine: StreamingEngine, airports: Airports): Promise<Running> {
  const rows = await openAirports(engine)
  const subscription = await engine.subscribe<Flight>(flights, {
    groupId: operations,
    from: 'earliest',
    delivery: 'exactly-once',
  })
  const ended = subscription.run(async ({ payload: flight, timestamp }, tx) => {
    const { origin, destination, delay, distance, date } = flight
    await engine.events.within(tx).append(streamOf(origin), {
      type: 'FlightDeparted',
      data: { destination, delay, distance },
    })
    const table = rows.within(tx)
    await table.upsert(departed(airports, await table.get(origin), flight))
    if (delay > alarming) {
      const payload: Alert = { origin, destination, delay, date }
      engine.pubsub.within(tx).publish(alerts, { key: origin, payload, timestamp })
    }
  })
  const lag = async (): Promise<number> => {
    const partitions = await subscription.lag()
    return partitions.reduce((total, partition) => total + partition.lag, 0)
  }
  return { ended, lag, close: () => subscription.close() }
}

/** The airport's row after a flight. */
function departed(airports: Airports, row: AirportRow | undefined, { origin, delay }: Flight): AirportRow {
  const { iata, name, city, state } = airports.get(origin)
  return {
    iata,
    name,
    city,
    state,
    departures: (row?.departures ?? 0) + 1,
    late: (row?.late ?? 0) + (delay > late ? 1 : 0),
    totalDelay: (row?.totalDelay ?? 0) + delay,
    worstDelay: Math.max(row?.worstDelay ?? delay, delay),
  }
}
