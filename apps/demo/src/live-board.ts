import type { Airports } from './airports.ts'
import type { Project } from './map.ts'
import type { Figures, LiveAirport, LiveAlert, LiveHour, LiveMessage } from './page/protocol.ts'
import type { AirportRow, Alert, HourlyDelay } from './topics.ts'

const keptAlerts = 50
const keptHours = 96
/** The throughput is over this many milliseconds. */
const span = 3_000

type Counted = 'departures' | 'late' | 'totalDelay' | 'alerts' | 'windows' | 'rejected'

/** The figures that are not of the streams: how far the feed is, how far behind the groups are. */
export type Progress = Omit<Figures, Counted | 'throughput'>

/** Something that was last changed at a version of the board. */
interface Versioned<T> {
  readonly version: number
  readonly value: T
}

/**
 * What the page shows, made of the changes, alerts and hours that were read. Its size does not grow: whoever watches
 * remembers a version and asks for what changed since, so that a slow page is told less often instead of queueing.
 */
export class LiveBoard {
  readonly #airports: Airports
  readonly #project: Project
  readonly #rows = new Map<string, Versioned<LiveAirport>>()
  readonly #hours = new Map<number, Versioned<LiveHour>>()
  #alerts: LiveAlert[] = []
  #version = 0
  readonly #totals: Record<Counted, number> = {
    departures: 0,
    late: 0,
    totalDelay: 0,
    alerts: 0,
    windows: 0,
    rejected: 0,
  }
  #progress: Progress
  #handled: { at: number; departures: number }[] = []

  constructor(airports: Airports, project: Project, { speed, total }: Pick<Progress, 'speed' | 'total'>) {
    this.#airports = airports
    this.#project = project
    this.#progress = { state: 'running', clock: null, speed, published: 0, total, groups: [] }
  }

  /** A row of the table changed. */
  airport(row: AirportRow): void {
    const before = this.#rows.get(row.iata)?.value
    this.#totals.departures += row.departures - (before?.departures ?? 0)
    this.#totals.late += row.late - (before?.late ?? 0)
    this.#totals.totalDelay += row.totalDelay - (before?.totalDelay ?? 0)
    const place = before === undefined ? this.#placeOf(row.iata) : before.place
    this.#rows.set(row.iata, { version: ++this.#version, value: { ...row, place } })
  }

  alert({ origin, destination, delay }: Alert, time: number): void {
    this.#totals.alerts++
    this.#alerts.push({ id: ++this.#version, origin, destination, delay, time })
    if (this.#alerts.length > keptAlerts) this.#alerts.shift()
  }

  /** The window of one airport was closed: its hour grows. */
  window({ start, count, totalDelay, maxDelay }: HourlyDelay): void {
    this.#totals.windows++
    const hour = Date.parse(start)
    const before = this.#hours.get(hour)?.value
    this.#hours.set(hour, {
      version: ++this.#version,
      value: {
        start: hour,
        count: (before?.count ?? 0) + count,
        totalDelay: (before?.totalDelay ?? 0) + totalDelay,
        maxDelay: Math.max(before?.maxDelay ?? maxDelay, maxDelay),
      },
    })
    if (this.#hours.size > keptHours) this.#hours.delete(Math.min(...this.#hours.keys()))
  }

  /** An entry was refused. */
  rejected(): void {
    this.#totals.rejected++
  }

  progress(update: Partial<Progress>): void {
    this.#progress = { ...this.#progress, ...update }
  }

  get figures(): Figures {
    return { ...this.#progress, ...this.#totals, throughput: this.#throughput() }
  }

  /** Counts what was handled since the last call; `now` in milliseconds. */
  measure(now: number): void {
    this.#handled.push({ at: now, departures: this.#totals.departures })
    while (this.#handled.length > 2 && this.#handled[1]!.at <= now - span) this.#handled.shift()
  }

  /** What changed after a version, 0 for everything, and the version that it leads to. */
  since(version: number): { message: LiveMessage; version: number } {
    const changed = <T>(all: ReadonlyMap<unknown, Versioned<T>>): T[] =>
      [...all.values()].filter(one => one.version > version).map(one => one.value)
    return {
      version: this.#version,
      message: {
        figures: this.figures,
        airports: changed(this.#rows),
        alerts: this.#alerts.filter(({ id }) => id > version),
        hours: changed(this.#hours).sort((a, b) => a.start - b.start),
      },
    }
  }

  #throughput(): number {
    const first = this.#handled[0]
    const last = this.#handled.at(-1)
    if (first === undefined || last === undefined || first.at === last.at) return 0
    return (1_000 * (last.departures - first.departures)) / (last.at - first.at)
  }

  #placeOf(iata: string): readonly [number, number] | null {
    const { place } = this.#airports.get(iata)
    return place === undefined ? null : this.#project(place)
  }
}
