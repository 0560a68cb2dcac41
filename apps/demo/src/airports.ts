import { readFile } from 'node:fs/promises'
import { csvParse } from 'd3-dsv'
import { dataSet } from './command-line.ts'

/** Where an airport is. */
export interface Airport {
  readonly iata: string
  readonly name: string
  readonly city: string
  readonly state: string
  /** Degrees; undefined for an airport that is not in the list. */
  readonly place?: readonly [longitude: number, latitude: number]
}

/** The airports of the package vega-datasets, by code. An unknown code is an airport of that name. */
export class Airports {
  readonly #byCode: ReadonlyMap<string, Airport>

  private constructor(airports: readonly Airport[]) {
    this.#byCode = new Map(airports.map(airport => [airport.iata, airport]))
  }

  static async read(): Promise<Airports> {
    const rows = csvParse(await readFile(dataSet('airports.csv'), 'utf8'))
    return new Airports(
      rows.map(({ iata = '', name = '', city = '', state = '', latitude, longitude }) => ({
        iata,
        name,
        city,
        state,
        place: [Number(longitude), Number(latitude)],
      })),
    )
  }

  get(iata: string): Airport {
    return this.#byCode.get(iata) ?? { iata, name: iata, city: '', state: '' }
  }
}
