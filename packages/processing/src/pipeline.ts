import type { LogRecord, OutgoingRecord } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Window } from './aggregation.ts'
import { maxTime } from './event-time.ts'
import type { MicroBatch } from './micro-batch.ts'
import { OpenWindows } from './open-windows.ts'
import { compileOperators, type Scope, type Step } from './operators/operator.ts'
import type { Topology } from './topology.ts'
import { windowStart } from './tumbling-window.ts'
import type { Watermark } from './watermark.ts'
import { recordKey, type WindowKey } from './window-key.ts'

/** How records are read and written. */
export interface PipelineEnds {
  decode(record: LogRecord): unknown
  encode(result: unknown): Uint8Array | string
  readonly sinkPartitions: number
}

/** What comes out of the operators for one record, before anything is changed by it. */
interface Arrival {
  readonly key: WindowKey
  readonly time: number
  readonly prepared: unknown
}

/** When a micro-batch is full; a transaction takes 16 MB. */
const fullBytes = 4_000_000

const headerText = (time: number): Uint8Array => Buffer.from(String(time))

/** One topology at work: a function of the records in their order, and of nothing else. */
export class Pipeline {
  readonly watermark: Watermark
  readonly windows: OpenWindows | undefined
  readonly #ends: PipelineEnds
  readonly #windowSize: number
  readonly #source: Step
  readonly #results: Step
  readonly #timestamped: boolean
  readonly #scope: Scope = {
    context: { key: null, start: 0, end: 0 },
    time: 0,
    newest: 0,
    key: undefined,
    operator: 'source',
  }
  #arrivals: Arrival[] = []
  #outputs: OutgoingRecord[] = []

  constructor(topology: Topology, ends: PipelineEnds, watermark: Watermark) {
    const { window } = topology
    this.#ends = ends
    this.watermark = watermark
    this.windows = window === undefined ? undefined : new OpenWindows(window.aggregation, window.size)
    this.#windowSize = window?.size ?? 0
    this.#timestamped = topology.operators.some(({ kind }) => kind === 'timestampBy')
    this.#source = compileOperators(
      topology.operators,
      window === undefined ? this.#forward : this.#arrive(window.aggregation.prepare),
    )
    this.#results = compileOperators(topology.resultOperators, this.#emit)
  }

  /**
   * Takes one record in; `closeEnded` is to be called before the next one. True: it has shown an event time.
   * @throws AegisError `OPERATOR_FAILED`; then nothing has changed.
   */
  process(record: LogRecord, batch: MicroBatch): boolean {
    const scope = this.#scope
    this.#arrivals.length = 0
    this.#outputs = []
    scope.context = record
    scope.operator = 'source'
    scope.time = record.timestamp
    scope.newest = this.#timestamped ? Number.NEGATIVE_INFINITY : record.timestamp
    scope.key = undefined
    try {
      const value = this.#ends.decode(record)
      if (value !== undefined) this.#source(value, scope)
    } catch (cause) {
      throw this.#failed(cause, `the record at offset ${record.offset} of ${record.topic}/${record.partition}`, {
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
      })
    }
    batch.recordsIn++
    for (const output of this.#outputs) batch.output(output)
    for (const { key, time, prepared } of this.#arrivals) {
      const start = windowStart(time, this.#windowSize)
      if (start + this.#windowSize <= this.watermark.current) batch.late++
      else this.windows!.add(key, start, prepared, batch)
    }
    if (scope.newest === Number.NEGATIVE_INFINITY) return false
    this.watermark.observe(record.partition, scope.newest)
    return true
  }

  /**
   * Gives out the results of windows that the watermark has passed. False: the batch is full and there are more.
   * @throws AegisError `OPERATOR_FAILED`
   */
  closeEnded(batch: MicroBatch): boolean {
    const { windows } = this
    if (windows?.hasEnded(this.watermark.current) !== true) return true
    const scope = this.#scope
    for (const [window, contents] of windows.close(this.watermark.current, batch)) {
      this.#outputs = []
      scope.context = window
      scope.operator = 'aggregate'
      scope.time = window.end - 1
      scope.key = window.key
      try {
        this.#results(contents.result(window), scope)
      } catch (cause) {
        const key = JSON.stringify(window.key)
        throw this.#failed(cause, `the window ${window.start} to ${window.end} of key ${key}`, { ...window })
      }
      for (const output of this.#outputs) batch.output(output)
      if (batch.bytes >= fullBytes) return !windows.hasEnded(this.watermark.current)
    }
    return true
  }

  isFull(batch: MicroBatch): boolean {
    return batch.bytes >= fullBytes
  }

  #failed(cause: unknown, what: string, details: Record<string, unknown>): AegisError {
    const { operator } = this.#scope
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new AegisError('OPERATOR_FAILED', `${operator} failed on ${what}: ${reason}`, {
      cause,
      details: { operator, ...details },
    })
  }

  readonly #arrive =
    (prepare: (item: unknown) => unknown): Step =>
    (value, scope) => {
      scope.operator = 'aggregate'
      if (Math.abs(scope.time) > maxTime)
        throw new AegisError('TIMESTAMP_INVALID', `timestamp ${scope.time} is no date`)
      this.#arrivals.push({ key: scope.key ?? null, time: scope.time, prepared: prepare(value) })
    }

  /** Without a window: the record goes on with its own key, headers and time. */
  readonly #forward: Step = (value, { context, time, key }) => {
    this.#scope.operator = 'sink'
    const record = context as LogRecord
    this.#output(key === undefined ? record.key : recordKey(key), value, time, record.headers, record.partition)
  }

  readonly #emit: Step = (value, { context, time, key }) => {
    this.#scope.operator = 'sink'
    const { start, end } = context as Window
    const headers = [
      { key: 'window-start', value: headerText(start) },
      { key: 'window-end', value: headerText(end) },
    ]
    this.#output(recordKey(key ?? null), value, time, headers, 0)
  }

  // Without a key the partition is fixed, not left to a round that an interruption would shift.
  #output(
    key: Uint8Array | null,
    result: unknown,
    timestamp: number,
    headers: LogRecord['headers'],
    partition: number,
  ): void {
    const value = this.#ends.encode(result)
    const where = key === null ? { partition: partition % this.#ends.sinkPartitions } : {}
    this.#outputs.push({ key, value, headers, timestamp, ...where })
  }
}
