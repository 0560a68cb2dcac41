import type { StreamingEngine } from '@aegis/streaming'
import { readPosition, writePosition } from './data-folder.ts'
import type { FlightsFile } from './flights-file.ts'
import { flights, rejected } from './topics.ts'

/** Publishes the entries of the file in order of their dates; where it is, it keeps in the commits that publish. */
export class Feed {
  readonly #engine: StreamingEngine
  readonly #file: FlightsFile
  #position: number

  private constructor(engine: StreamingEngine, file: FlightsFile, position: number) {
    this.#engine = engine
    this.#file = file
    this.#position = position
  }

  /** Goes on where the folder says that the feed was. */
  static async open(engine: StreamingEngine, file: FlightsFile): Promise<Feed> {
    return new Feed(engine, file, await readPosition(engine.log))
  }

  /** Entries published. */
  get position(): number {
    return this.#position
  }

  get length(): number {
    return this.#file.entries.length
  }

  get done(): boolean {
    return this.#position >= this.length
  }

  /** When the next entry is due, milliseconds; when nothing is left, when the last one was. */
  get time(): number | undefined {
    const { entries } = this.#file
    // Finite: what stands before the first flight is due with it.
    return (
      entries.slice(this.#position).find(({ due }) => Number.isFinite(due))?.due ??
      entries.findLast(({ due }) => Number.isFinite(due))?.due
    )
  }

  /** How many of the next entries are due at a time, `most` at most. */
  due(time: number, most: number): number {
    const next = this.#file.entries.slice(this.#position, this.#position + most)
    const later = next.findIndex(({ due }) => due > time)
    return later === -1 ? next.length : later
  }

  /** Publishes the next entries and saves the position, in one commit. */
  async publish(count: number): Promise<void> {
    const next = await this.#engine.transaction(async tx => {
      const position = await readPosition(tx)
      const entries = this.#file.entries.slice(position, position + count)
      for (const entry of entries) {
        if ('flight' in entry) {
          const { flight, time } = entry
          tx.publish(flights, { key: flight.origin, payload: flight, timestamp: time })
        } else {
          // Named as in the dead letters of groups, beside which they are stored.
          const headers = { 'dead-letter-reason': entry.reason, 'dead-letter-entry': String(entry.index) }
          tx.publish(rejected, { payload: storable(entry.entry), headers })
        }
      }
      writePosition(tx, position + entries.length)
      return position + entries.length
    })
    this.#position = next
  }
}

const longest = 100_000

/** What is too long to be kept whole is kept from its beginning. */
function storable(entry: unknown): unknown {
  const text = JSON.stringify(entry)
  return text.length <= longest ? entry : `${text.slice(0, longest)}…`
}
