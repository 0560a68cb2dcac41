import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { demoError, oneLine } from './errors.ts'

/** Where everything is kept: an absolute path, or the servers of a cluster. */
export type DemoPlace = { readonly dataDir: string } | { readonly url: string }

export interface DemoOptions {
  readonly once: boolean
  /** Absolute. */
  readonly flights: string
  readonly place: DemoPlace
  /** Absolute; where `--once` writes the summary. */
  readonly json?: string
  /** Hours of the data per second. */
  readonly speed: number
  /** 0: any free one. */
  readonly port: number
  readonly reset: boolean
  readonly help: boolean
}

const defaultSpeed = 6
const defaultPort = 4180

export const usage = `An airport operations centre on 20,000 real flights.

  npm run demo                     replay, with a live page
  npm run demo -- --once           to the end at full speed, then a summary

  --flights FILE.json   an array of { date, delay, distance, origin, destination }
                        (default: the 20,000 flights of the package vega-datasets)
  --data-dir DIR        where everything is kept (default: apps/demo/data)
  --url ADDRESS         keep it on a NATS cluster instead: nats://host:4222, several with commas
  --reset               delete what an earlier run kept there, and start from the beginning
  --speed HOURS         hours of the data per second (default: ${defaultSpeed})
  --port PORT           of the page on 127.0.0.1; 0 takes any free one (default: ${defaultPort})
  --once                no page: to the end of the input at full speed, print the summary, exit
  --json OUT.json       with --once: write the summary there
  --help                this text
`

/** The installed data set. */
export function dataSet(name: string): string {
  // The package exports its code only: its data lies beside.
  return fileURLToPath(new URL(`../data/${name}`, import.meta.resolve('vega-datasets')))
}

/** @throws AegisError `OPTION_INVALID` */
export function parseCommandLine(args: readonly string[]): DemoOptions {
  const values = parse(args)
  if (values.json !== undefined && values.once !== true) {
    throw invalid('--json is written at the end of the input: give it together with --once')
  }
  return {
    once: values.once === true,
    flights: path('flights', values.flights) ?? dataSet('flights-20k.json'),
    place: placeOf(values),
    ...(values.json !== undefined && { json: path('json', values.json)! }),
    speed: number('speed', values.speed, defaultSpeed, 'a number of hours per second over 0, at most 100000', speed => {
      return speed > 0 && speed <= 100_000
    }),
    port: number('port', values.port, defaultPort, 'a whole number from 0 to 65535', port => {
      return Number.isInteger(port) && port >= 0 && port <= 65_535
    }),
    reset: values.reset === true,
    help: values.help === true,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        once: { type: 'boolean' },
        flights: { type: 'string' },
        'data-dir': { type: 'string' },
        url: { type: 'string' },
        json: { type: 'string' },
        speed: { type: 'string' },
        port: { type: 'string' },
        reset: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw demoError('OPTION_INVALID', `${oneLine(error)}. --help lists the options`, error)
  }
}

function placeOf(values: ReturnType<typeof parse>): DemoPlace {
  const { url, reset, 'data-dir': dataDir } = values
  if (url === undefined) {
    return { dataDir: path('data-dir', dataDir) ?? fileURLToPath(new URL('../data', import.meta.url)) }
  }
  if (dataDir !== undefined) throw invalid('--url and --data-dir both say where everything is kept: give one of them')
  if (reset === true) throw invalid('--reset deletes a folder: on a cluster delete the stream (nats stream rm aegis)')
  if (url === '') throw invalid('--url is empty: give an address such as nats://127.0.0.1:4222')
  return { url }
}

function path(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  if (value === '') throw invalid(`--${name} is empty: give a path`)
  return resolve(value)
}

function number(
  name: string,
  value: string | undefined,
  byDefault: number,
  allowed: string,
  check: (n: number) => boolean,
) {
  if (value === undefined) return byDefault
  const parsed = value.trim() === '' ? Number.NaN : Number(value)
  if (!check(parsed)) throw invalid(`--${name} ${value}: give ${allowed}`)
  return parsed
}

function invalid(message: string) {
  return demoError('OPTION_INVALID', message)
}
