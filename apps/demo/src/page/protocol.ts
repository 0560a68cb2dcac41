/** What the page is told: everything when it connects, then what has changed. */
export interface LiveMessage {
  readonly figures: Figures
  /** Airports whose row changed. */
  readonly airports: readonly LiveAirport[]
  /** Newest last. */
  readonly alerts: readonly LiveAlert[]
  /** Hours of which a window was closed, by start. */
  readonly hours: readonly LiveHour[]
}

export interface Figures {
  readonly state: 'running' | 'ended'
  /** The date that the replay has reached, milliseconds. */
  readonly clock: number | null
  /** Hours of the data per second. */
  readonly speed: number
  /** Entries of the file that are published, of how many. */
  readonly published: number
  readonly total: number
  readonly departures: number
  readonly late: number
  readonly totalDelay: number
  readonly alerts: number
  readonly windows: number
  readonly rejected: number
  /** Flights handled in the last seconds, per second. */
  readonly throughput: number
  readonly groups: readonly GroupLag[]
}

export interface GroupLag {
  readonly name: string
  /** What it reads. */
  readonly topic: string
  /** Records published and not handled yet. */
  readonly lag: number
}

export interface LiveAirport {
  readonly iata: string
  readonly name: string
  readonly city: string
  readonly state: string
  /** On the map's plane; null for an airport that is not on the map. */
  readonly place: readonly [x: number, y: number] | null
  readonly departures: number
  readonly late: number
  readonly totalDelay: number
  readonly worstDelay: number
}

export interface LiveAlert {
  /** Rises with each alert. */
  readonly id: number
  readonly origin: string
  readonly destination: string
  readonly delay: number
  /** Milliseconds. */
  readonly time: number
}

export interface LiveHour {
  /** Milliseconds. */
  readonly start: number
  readonly count: number
  readonly totalDelay: number
  readonly maxDelay: number
}
