import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { demoError, oneLine } from './errors.ts'
import { type ParsedFlight, parseFlight } from './flight.ts'

/** An entry of the file, in the order in which the feed publishes. */
export type FeedEntry = ParsedFlight & {
  /** Its place in the file, from 0. */
  readonly index: number
  readonly entry: unknown
  /** When it is due, milliseconds: its date, or that of the flight before it in the file when it is no flight. */
  readonly due: number
}

export interface FlightsFile {
  readonly path: string
  /** SHA-256 of the content: what is in a data folder belongs to this file and no other. */
  readonly identity: string
  /** Sorted by date; what is malformed stays behind the flight before it in the file. */
  readonly entries: readonly FeedEntry[]
}

/** Reads and checks a file of flights, changing nothing. @throws AegisError `FLIGHTS_UNREADABLE` */
export async function readFlightsFile(path: string): Promise<FlightsFile> {
  const content = await readFile(path).catch((error: unknown) => {
    throw unreadable(path, `cannot be read (${oneLine(error)}): name a readable JSON file`, error)
  })
  let entries: unknown
  try {
    entries = JSON.parse(content.toString('utf8').replace(/^\uFEFF/, ''))
  } catch (error) {
    throw unreadable(path, `is not JSON (${oneLine(error)}): give an array of flights`, error)
  }
  if (!Array.isArray(entries)) throw unreadable(path, 'has no array at the top: give an array of flights')
  return { path, identity: createHash('sha256').update(content).digest('hex'), entries: inOrderOfDate(entries) }
}

function inOrderOfDate(entries: readonly unknown[]): FeedEntry[] {
  let before = Number.NEGATIVE_INFINITY
  return entries
    .map((entry, index): FeedEntry => {
      const parsed = parseFlight(entry)
      if ('time' in parsed) before = parsed.time
      return { ...parsed, index, entry, due: before }
    })
    .sort((a, b) => (a.due < b.due ? -1 : a.due > b.due ? 1 : 0))
}

function unreadable(path: string, text: string, cause?: unknown) {
  return demoError('FLIGHTS_UNREADABLE', `--flights ${path} ${text}`, cause)
}
