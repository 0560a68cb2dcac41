import type { Summary } from '../src/summary.ts'

interface Entry {
  date: string
  delay: number
  distance: number
  origin: string
  destination: string
}

const hour = 3_600_000

/** The summary as one loop over the file finds it: what everything else is compared with. */
export function plainLoop(entries: readonly unknown[], rejected = 0): Summary {
  const airports = new Map<string, { departures: number; late: number; totalDelay: number; worstDelay: number }>()
  const windows = new Map<string, Summary['windows'][number]>()
  let alerts = 0
  for (const { date, delay, origin } of entries as Entry[]) {
    if (delay > 60) alerts++
    const airport = airports.get(origin)
    airports.set(origin, {
      departures: (airport?.departures ?? 0) + 1,
      late: (airport?.late ?? 0) + (delay > 15 ? 1 : 0),
      totalDelay: (airport?.totalDelay ?? 0) + delay,
      worstDelay: airport === undefined ? delay : Math.max(airport.worstDelay, delay),
    })
    const time = Date.parse(`${date.replaceAll('/', '-').replace(' ', 'T')}Z`)
    const start = new Date(Math.floor(time / hour) * hour).toISOString()
    const window = windows.get(`${start} ${origin}`)
    windows.set(`${start} ${origin}`, {
      origin,
      start,
      count: (window?.count ?? 0) + 1,
      totalDelay: (window?.totalDelay ?? 0) + delay,
      maxDelay: window === undefined ? delay : Math.max(window.maxDelay, delay),
    })
  }
  return {
    flights: entries.length,
    rejected,
    alerts,
    events: entries.length,
    changes: { insert: airports.size, update: entries.length - airports.size, delete: 0 },
    airports: Object.fromEntries(airports),
    windows: [...windows.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, window]) => window),
  }
}
