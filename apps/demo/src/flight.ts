/** A flight as the file has it and as it is published; other fields of an entry are left out. */
export interface Flight {
  /** As it is written in the file, read as UTC. */
  readonly date: string
  /** Minutes; negative when the flight left early. */
  readonly delay: number
  /** Miles. */
  readonly distance: number
  /** The airport's code. */
  readonly origin: string
  readonly destination: string
}

export type ParsedFlight =
  /** `time`: the date in milliseconds since the epoch. */
  { readonly flight: Flight; readonly time: number } | { readonly reason: string }

const written =
  /^(?<day>\d{4}[-/]\d{2}[-/]\d{2})[T ](?<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(?<zone>Z|[+-]\d{2}:\d{2})?$/
const longest = 64

/** Reads `2001/01/31 06:02` and ISO 8601; without a zone it is UTC. Undefined for what is not a date. */
export function parseDate(text: string): number | undefined {
  const { day, time, zone = 'Z' } = written.exec(text)?.groups ?? {}
  if (day === undefined || time === undefined) return undefined
  const local = `${day.replaceAll('/', '-')}T${time}`
  const utc = Date.parse(`${local}Z`)
  // Date.parse turns February 30 into March 2.
  if (Number.isNaN(utc) || !new Date(utc).toISOString().startsWith(local)) return undefined
  const moment = Date.parse(`${local}${zone}`)
  return Number.isNaN(moment) ? undefined : moment
}

/** The flight in an entry of the file, or the reason why it is none. */
export function parseFlight(entry: unknown): ParsedFlight {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    return { reason: `${show(entry)} is not an object with date, delay, distance, origin and destination` }
  }
  const { date, delay, distance, origin, destination }: Partial<Record<keyof Flight, unknown>> = entry
  if (!isCode(origin)) return { reason: notCode('origin', origin) }
  if (!isCode(destination)) return { reason: notCode('destination', destination) }
  if (!isNumber(delay)) return { reason: notNumber('delay', delay) }
  if (!isNumber(distance)) return { reason: notNumber('distance', distance) }
  if (date === undefined || date === null || date === '') return { reason: 'date is missing' }
  const time = typeof date === 'string' ? parseDate(date) : undefined
  if (typeof date !== 'string' || time === undefined) {
    return { reason: `date ${show(date)} cannot be read: write it like "2001/01/31 06:02"` }
  }
  return { flight: { date, delay, distance, origin, destination }, time }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

/** The origin becomes a part of a stream id, which has no `*`. */
function isCode(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.trim() !== '' &&
    value.length <= longest &&
    value.isWellFormed() &&
    !value.includes('*')
  )
}

function notCode(name: string, value: unknown): string {
  if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) {
    return `${name} is missing`
  }
  return `${name} ${show(value)} is not an airport's code`
}

function notNumber(name: string, value: unknown): string {
  return value === undefined || value === null ? `${name} is missing` : `${name} ${show(value)} is not a number`
}

function show(value: unknown): string {
  const text = String(JSON.stringify(value))
  return text.length <= longest ? text : `${text.slice(0, longest)}…`
}
