import { type Log, type LogRecord, parseDuration, type Readable, type Untyped } from '@aegis/log'
import { checkName, invalid } from './check.ts'
import { type Clock, systemClock } from './clock.ts'
import { claim } from './running.ts'
import { deleteState } from './stored-job.ts'
import { Stream } from './stream.ts'

export interface StreamProcessorOptions {
  /** Names the processor: its position and its state are kept under it. Letters, digits, '.', '_' and '-'. */
  id: string
  /**
   * How much older than the newest of its partition a record may be and still find its window open, in milliseconds
   * or as `'10s'`. Results come later by as much. Default 0: each partition is in order of event time.
   */
  outOfOrderness?: number | string
  /**
   * A partition without records for this long, when everything was read, no longer holds the other partitions back.
   * Default `'10s'`.
   */
  idleTimeout?: number | string
  /** For tests that cannot wait for `idleTimeout`. */
  clock?: Clock
}

const known = ['id', 'outOfOrderness', 'idleTimeout', 'clock']

/**
 * Builds a processor step by step: `source`, then operators, `sink` and `start`.
 *
 * What the functions given to it return must depend on their arguments only: records may be processed again after a
 * crash. Then outputs, state and position are committed together, so that each record counts exactly once.
 */
export class StreamProcessor {
  readonly id: string
  readonly #log: Log
  readonly #settings: { id: string; outOfOrderness: number; idleTimeout: number; clock: Clock }

  /**
   * Uses the log and never closes it.
   * @throws AegisError `PROCESSOR_INVALID`
   */
  constructor(log: Log, options: StreamProcessorOptions) {
    for (const option of Object.keys(options)) {
      if (!known.includes(option))
        throw invalid(`option ${JSON.stringify(option)} is not known: there are ${known.join(', ')}`)
    }
    const { id, outOfOrderness = 0, idleTimeout = '10s', clock = systemClock } = options
    this.id = checkName('id', id)
    if (!log.capabilities.transactions) {
      throw invalid(`processor ${id} needs a log with transactions, and this one has none`)
    }
    this.#log = log
    this.#settings = {
      id,
      outOfOrderness: parseDuration('outOfOrderness', outOfOrderness),
      idleTimeout: parseDuration('idleTimeout', idleTimeout),
      clock,
    }
  }

  /** Reads a topic from its beginning, all partitions in the order of its offsets. It must exist when the processor starts. */
  source(topic: string): Stream<Untyped, null>
  source<Item>(topic: Readable<Item>): Stream<Item, null>
  source(topic: string | Readable<unknown>): Stream<Untyped, null> {
    const name = typeof topic === 'string' ? topic : topic.topic
    if (typeof name !== 'string' || name === '')
      throw invalid(`source is ${JSON.stringify(name)}: give the name of a topic`)
    const decode = typeof topic === 'string' ? {} : { decode: (record: LogRecord): unknown => topic.decode(record) }
    return new Stream({ log: this.#log, settings: this.#settings, source: name, ...decode }, [])
  }

  /**
   * Forgets the position and the state, so that the next start begins anew and gives out all results again. The sink
   * stays as it is.
   * @throws AegisError `PROCESSOR_RUNNING`
   */
  async reset(): Promise<void> {
    const claimed = claim(this.#log, this.id)
    try {
      await deleteState(this.#log, this.id)
    } finally {
      claimed.release()
    }
  }
}
