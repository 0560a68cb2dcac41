import { type Log, type LogRecord, parseDuration, type Readable } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { type Aggregation, aggregateItems, aggregateNumbers, type Window } from './aggregation.ts'
import type { Aggregator } from './aggregators.ts'
import { checkFunction, checkName, invalid } from './check.ts'
import type { EventTime } from './event-time.ts'
import { Job, type JobSettings } from './job.ts'
import { filter } from './operators/filter.ts'
import { flatMap } from './operators/flat-map.ts'
import { keyBy } from './operators/key-by.ts'
import { map } from './operators/map.ts'
import type { Operator } from './operators/operator.ts'
import { timestampBy } from './operators/timestamp-by.ts'
import { claim } from './running.ts'
import type { Topology } from './topology.ts'
import type { WindowKey } from './window-key.ts'

/** Where a stream comes from. */
export interface Origin {
  readonly log: Log
  readonly settings: JobSettings
  readonly source: string
  readonly decode?: (record: LogRecord) => unknown
}

type Fn<Item, Result> = (item: Item, record: LogRecord) => Result
type WindowFn<Item, Key, Result> = (item: Item, window: Window<Key>) => Result
// The operators know nothing of types; the methods below are where they are given.
type Given = Parameters<typeof map>[0]

/** Values on their way, each with its record's key and time. Every step gives a new stream and leaves this one as it is. */
export class Stream<Item, Key extends WindowKey> {
  readonly #origin: Origin
  readonly #operators: readonly Operator[]

  constructor(origin: Origin, operators: readonly Operator[]) {
    this.#origin = origin
    this.#operators = operators
  }

  /** Keeps the values for which the function gives true. */
  filter<Kept extends Item>(keep: (item: Item, record: LogRecord) => item is Kept): Stream<Kept, Key>
  filter(keep: Fn<Item, unknown>): Stream<Item, Key>
  filter(keep: Fn<Item, unknown>): Stream<Item, Key> {
    return this.#with(filter(checkFunction('filter', keep) as Given))
  }

  /** Makes one value of each. */
  map<Result>(transform: Fn<Item, Result>): Stream<Result, Key> {
    return this.#with(map(checkFunction('map', transform) as Given))
  }

  /** Makes any number of values of each. */
  flatMap<Result>(expand: Fn<Item, Iterable<Result>>): Stream<Result, Key> {
    return this.#with(flatMap(checkFunction('flatMap', expand) as Parameters<typeof flatMap>[0]))
  }

  /**
   * Takes the event time from the value: milliseconds, a Date or an ISO 8601 text. Default: the record's timestamp.
   * Values that a filter before it has left out do not move the watermark.
   */
  timestampBy(time: Fn<Item, EventTime>): Stream<Item, Key> {
    return this.#with(timestampBy(checkFunction('timestampBy', time) as Given))
  }

  /** Windows from here on are per key. The key of the results is it. */
  keyBy<NewKey extends WindowKey>(key: Fn<Item, NewKey>): Stream<Item, NewKey> {
    return this.#with(keyBy(checkFunction('keyBy', key) as Given))
  }

  /**
   * Tumbling windows of event time: milliseconds or `'5m'`, aligned to the epoch, each from its start to just before
   * its end. Per key behind `keyBy`, else over the whole topic.
   */
  window(size: number | string): WindowedStream<Item, Key> {
    const milliseconds = parseDuration('window', size)
    if (milliseconds === 0) throw invalid('window is 0: give a duration of at least 1 ms')
    return new WindowedStream(this.#origin, this.#operators, milliseconds)
  }

  /** @throws AegisError `WINDOW_MISSING`: an aggregate needs a window before it. */
  aggregate(..._window: [never]): never {
    throw new AegisError('WINDOW_MISSING', "aggregate has no window: say .window('5m') before it")
  }

  /** Writes each value to a topic, with the record's headers and event time, under its own key or that of `keyBy`. */
  sink(topic: string | Readable<Item>): RunnableProcessor {
    return runnable(this.#origin, { operators: this.#operators, resultOperators: [] }, topic)
  }

  #with<I, K extends WindowKey>(operator: Operator): Stream<I, K> {
    return new Stream(this.#origin, [...this.#operators, operator])
  }
}

type ItemsFn<Item, Key, Result> = (items: readonly Item[], window: Window<Key>) => Result
type NamedAggregators<Item> = Readonly<Record<string, Aggregator<Item>>>

/** What `aggregate` takes: a function of all items, or aggregators by name. */
export type WindowAggregate<Item, Key> = ItemsFn<Item, Key, unknown> | NamedAggregators<Item>

/** What a window comes to: what the function returns, or a number per name. */
export type Aggregated<Given> = Given extends (...args: never) => infer Result
  ? Result
  : { [Name in keyof Given]: number }

/** A stream cut into windows, to be aggregated. */
export class WindowedStream<Item, Key extends WindowKey> {
  readonly #origin: Origin
  readonly #operators: readonly Operator[]
  readonly #size: number

  constructor(origin: Origin, operators: readonly Operator[], size: number) {
    this.#origin = origin
    this.#operators = operators
    this.#size = size
  }

  /**
   * One result per window that has items, when the watermark has passed its end. A function gets all items in the
   * order of the source, and must not change them; they are stored until then. Named aggregators, such as
   * `{ total: sum(item => item.amount), n: count() }`, store a number each.
   */
  // One signature: with overloads, TypeScript would fix the types of the functions inside by the first one.
  aggregate<Given extends WindowAggregate<Item, Key>>(given: Given): ResultStream<Aggregated<Given>, Key> {
    const aggregation: Aggregation =
      typeof given === 'function'
        ? aggregateItems(given as Parameters<typeof aggregateItems>[0])
        : aggregateNumbers(checkAggregators(given) as Parameters<typeof aggregateNumbers>[0])
    return new ResultStream(this.#origin, this.#operators, { size: this.#size, aggregation }, [])
  }
}

function checkAggregators<A extends Readonly<Record<string, Aggregator<never>>>>(given: A): A {
  const entries = typeof given === 'object' && given !== null ? Object.entries(given) : []
  if (entries.length === 0) throw invalid('aggregate was given nothing: give a function, or aggregators by name')
  for (const [name, aggregator] of entries) {
    if (typeof aggregator?.kind !== 'string') {
      throw invalid(`aggregator ${JSON.stringify(name)} is none: give count(), sum(…), min(…), max(…) or average(…)`)
    }
    checkFunction(`${aggregator.kind} ${JSON.stringify(name)}`, aggregator.select)
  }
  return given
}

/** The results of windows. */
export class ResultStream<Result, Key extends WindowKey> {
  readonly #origin: Origin
  readonly #operators: readonly Operator[]
  readonly #window: NonNullable<Topology['window']>
  readonly #resultOperators: readonly Operator[]

  constructor(
    origin: Origin,
    operators: readonly Operator[],
    window: NonNullable<Topology['window']>,
    resultOperators: readonly Operator[],
  ) {
    this.#origin = origin
    this.#operators = operators
    this.#window = window
    this.#resultOperators = resultOperators
  }

  /** Keeps the results for which the function gives true. */
  filter(keep: WindowFn<Result, Key, unknown>): ResultStream<Result, Key> {
    return this.#with(filter(checkFunction('filter', keep) as Given))
  }

  /** Makes one value of each result. */
  map<Mapped>(transform: WindowFn<Result, Key, Mapped>): ResultStream<Mapped, Key> {
    return this.#with(map(checkFunction('map', transform) as Given))
  }

  /**
   * Writes each result to a topic: key is the window's, timestamp the last millisecond of the window, and the headers
   * `window-start` and `window-end` have its bounds as decimal milliseconds.
   */
  sink(topic: string | Readable<Result>): RunnableProcessor {
    const steps = { operators: this.#operators, window: this.#window, resultOperators: this.#resultOperators }
    return runnable(this.#origin, steps, topic)
  }

  #with<R>(operator: Operator): ResultStream<R, Key> {
    return new ResultStream(this.#origin, this.#operators, this.#window, [...this.#resultOperators, operator])
  }
}

/** A processor that knows all its steps. */
export interface RunnableProcessor {
  /**
   * Goes on where the last job of this id has stopped, or begins at the start of the source. The sink is created with
   * as many partitions as the source if it does not exist.
   * @throws AegisError `PROCESSOR_RUNNING`, `TOPOLOGY_CHANGED`, `TOPIC_UNKNOWN` for the source, `OFFSET_RESET`
   */
  start(): Promise<Job>
}

function runnable(
  { log, settings, source, decode }: Origin,
  steps: Omit<Topology, 'source' | 'decode' | 'sink'>,
  to: string | Readable<unknown>,
): RunnableProcessor {
  const sink = checkName('sink', typeof to === 'string' ? to : to.topic)
  if (sink === source) throw invalid(`sink is ${sink}, which is the source: it would never come to an end`)
  const topology: Topology = { source, ...(decode === undefined ? {} : { decode }), ...steps, sink }
  return {
    async start() {
      const claimed = claim(log, settings.id)
      try {
        const job = await Job.start(log, settings, topology, claimed.release)
        claimed.started(job)
        return job
      } catch (error) {
        claimed.release()
        throw error
      }
    },
  }
}
