import type { Log, LogRecord } from '@aegis/log'

interface Partition {
  /** Read, and not yet given out. */
  records: readonly LogRecord[]
  at: number
  /** All records below it were read. */
  next: number
}

const pageRecords = 2000
const smallestPage = 16
/** What one page of one partition should not pass by much. */
const pageBytes = 1_000_000

/**
 * Reads all partitions of a topic as one, in the order of the topic's offsets.
 *
 * That order is fixed once and for all, whereas the order in which several partitions happen to be read is not: a
 * job that follows it comes to the same results however often it is interrupted, sums of fractions and late records
 * included.
 */
export class OrderedReader {
  readonly #log: Log
  readonly #topic: string
  readonly #partitions: Partition[]
  #recordBytes = pageBytes / smallestPage

  constructor(log: Log, topic: string, partitions: number, position: number) {
    this.#log = log
    this.#topic = topic
    this.#partitions = Array.from({ length: partitions }, () => ({ records: [], at: 0, next: position }))
  }

  /** Everything below it was given out by `next`. */
  get position(): number {
    return Math.min(...this.#partitions.map(({ records, at, next }) => records[at]?.offset ?? next))
  }

  /** Records below `limit` in order of offset; none when everything below it was read. */
  async next(limit: number): Promise<LogRecord[]> {
    for (;;) {
      const frontier = Math.min(limit, ...this.#partitions.map(partition => partition.next))
      const records = this.#take(frontier)
      if (records.length > 0 || frontier === limit) return records
      await this.#read(frontier)
    }
  }

  /** Waits until there are records to read; `signal` ends the wait. */
  async wait(signal: AbortSignal): Promise<void> {
    const positions = new Map(this.#partitions.map(({ next }, partition) => [partition, next]))
    const follower = this.#log.follow(this.#topic, { positions, maxRecords: 1, signal })
    await follower.next()
    follower.close()
  }

  /** Reads on where less than elsewhere was read. */
  async #read(frontier: number): Promise<void> {
    const share = Math.max(smallestPage, Math.floor(pageRecords / this.#partitions.length))
    const maxRecords = Math.max(1, Math.min(share, Math.floor(pageBytes / this.#recordBytes)))
    await Promise.all(
      this.#partitions.map(async (partition, number) => {
        if (partition.next > frontier) return
        const page = await this.#log.read(this.#topic, number, { from: partition.next, maxRecords })
        partition.records = page.records
        partition.at = 0
        partition.next = page.nextOffset
        const bytes = page.records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0)
        if (page.records.length > 0) this.#recordBytes = Math.max(1, bytes / page.records.length)
      }),
    )
  }

  #take(frontier: number): LogRecord[] {
    const taken: LogRecord[] = []
    for (;;) {
      let first: Partition | undefined
      for (const partition of this.#partitions) {
        const offset = partition.records[partition.at]?.offset ?? frontier
        if (offset < (first?.records[first.at]?.offset ?? frontier)) first = partition
      }
      if (first === undefined) return taken
      taken.push(first.records[first.at++]!)
    }
  }
}
