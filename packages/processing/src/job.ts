import { decodePayload, encodePayload, type Log, type LogRecord, type TopicDescription } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Clock } from './clock.ts'
import { IdlePartitions } from './idle-partitions.ts'
import { MicroBatch } from './micro-batch.ts'
import { OrderedReader } from './ordered-reader.ts'
import { Pipeline } from './pipeline.ts'
import {
  checkIdentity,
  encodeJson,
  loadProgress,
  loadWindows,
  type Progress,
  progressKey,
  stateSpace,
} from './stored-job.ts'
import { type Topology, topologyShape } from './topology.ts'
import { Watermark } from './watermark.ts'

/** `'draining'` while `drain()` works; `'stopped'` after it or `close()`. */
export type JobStatus = 'running' | 'draining' | 'stopped' | 'failed'

/** What a job has committed so far, since the first start of its processor. */
export interface JobStats {
  readonly recordsIn: number
  readonly recordsOut: number
  /** Records that came after their window was closed, and were left out. */
  readonly late: number
  /** Milliseconds since the epoch; `null` as long as a partition that is not idle has shown no event time. */
  readonly watermark: number | null
  /** Windows not closed yet, those of different keys apart. */
  readonly openWindows: number
  /** Offsets of the source that are still to be processed: at least as many as records. */
  readonly lag: number
}

export interface JobSettings {
  readonly id: string
  readonly outOfOrderness: number
  readonly idleTimeout: number
  readonly clock: Clock
}

const mostRecords = 10_000

/** A running processor. */
export class Job implements AsyncDisposable {
  readonly id: string
  readonly #log: Log
  readonly #source: string
  readonly #sink: string
  readonly #pipeline: Pipeline
  readonly #idle: IdlePartitions
  readonly #reader: OrderedReader
  readonly #clock: Clock
  readonly #release: () => void
  readonly #ended: Promise<void>
  #status: JobStatus = 'running'
  #progress: Progress
  #openWindows: number
  #end = 0
  #committing: Promise<void> = Promise.resolve()
  #drainTo: Promise<number> | undefined
  #closing = false
  #wake = new AbortController()
  #watched = false

  private constructor(
    log: Log,
    settings: JobSettings,
    { source, sink }: Topology,
    pipeline: Pipeline,
    progress: Progress,
    partitions: number,
    release: () => void,
  ) {
    this.id = settings.id
    this.#log = log
    this.#source = source
    this.#sink = sink
    this.#pipeline = pipeline
    this.#progress = progress
    this.#openWindows = pipeline.windows?.count ?? 0
    this.#clock = settings.clock
    this.#release = release
    this.#idle = new IdlePartitions(partitions, pipeline.watermark, settings.idleTimeout, settings.clock)
    this.#reader = new OrderedReader(log, source, partitions, progress.position)
    this.#ended = this.#run()
    this.#ended.catch((error: unknown) => {
      if (!this.#watched) process.emitWarning(`processor ${this.id} failed: ${String(error)}`)
    })
  }

  /** Loads what is stored under the id and begins to work; `release` is called at its end. */
  static async start(log: Log, settings: JobSettings, topology: Topology, release: () => void): Promise<Job> {
    const source = await log.describeTopic(topology.source)
    const sink = await openSink(log, topology.sink, source.partitions)
    const { id, outOfOrderness } = settings
    const { incarnation, partitions } = source
    await checkIdentity(log, id, topology.source, { topology: topologyShape(topology), incarnation })
    const progress = await loadProgress(log, id)
    const watermark = new Watermark(partitions, outOfOrderness, progress?.watermark)
    const ends = {
      decode: topology.decode ?? ((record: LogRecord) => decodePayload(source.codec, record)),
      encode: (result: unknown) => encodePayload(sink.name, sink.codec, result),
      sinkPartitions: sink.partitions,
    }
    const pipeline = new Pipeline(topology, ends, watermark)
    if (pipeline.windows !== undefined) await loadWindows(log, id, pipeline.windows)
    const first = { position: 0, watermark: watermark.state(), recordsIn: 0, recordsOut: 0, late: 0 }
    return new Job(log, settings, topology, pipeline, progress ?? first, partitions, release)
  }

  get status(): JobStatus {
    return this.#status
  }

  /** Resolves when the job was closed or drained, rejects when it fails. */
  get finished(): Promise<void> {
    this.#watched = true
    return this.#ended
  }

  stats(): JobStats {
    if (this.#status === 'running' || this.#status === 'draining') this.#end = this.#log.topic(this.#source).endOffset
    const { recordsIn, recordsOut, late, watermark, position } = this.#progress
    const lag = Math.max(0, this.#end - position)
    return { recordsIn, recordsOut, late, watermark: watermark.current, openWindows: this.#openWindows, lag }
  }

  /**
   * Processes what the source has now, closes all windows as if time had ended, and stops. A processor that is started
   * again afterwards goes on behind the windows it has closed: records that belong into them are late.
   * @throws AegisError what made the job fail, now or before
   */
  drain(): Promise<void> {
    if (this.#status === 'running') {
      this.#drainTo = this.#log.endOffset(this.#source)
      // The job awaits it, and fails with it.
      this.#drainTo.catch(() => undefined)
      this.#status = 'draining'
      this.#wake.abort()
    }
    return this.finished
  }

  /** Stops after the commit that is on its way. What was not processed will be by the next start. */
  async close(): Promise<void> {
    this.#closing = true
    this.#wake.abort()
    await this.#ended.catch(() => undefined)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<void> {
    try {
      await this.#work()
      await this.#committing
      this.#status = 'stopped'
    } catch (error) {
      this.#status = 'failed'
      throw error
    } finally {
      // Whoever starts next must find it done.
      await this.#committing.catch(() => undefined)
      this.#release()
    }
  }

  async #work(): Promise<void> {
    let next = this.#progress.position
    // A commit may have ended between the results of one watermark.
    await this.#closeWindows(next)
    while (!this.#closing) {
      const end = await (this.#drainTo ?? this.#log.endOffset(this.#source))
      this.#end = end
      const records = await this.#reader.next(end)
      if (records.length > 0) {
        next = await this.#process(records)
        if (this.#reader.position < end) this.#idle.behind()
      } else if (this.#drainTo !== undefined) {
        const lastEnd = this.#pipeline.windows?.lastEnd
        if (lastEnd !== undefined) this.#pipeline.watermark.advanceTo(lastEnd)
        return this.#closeWindows(next)
      } else {
        // There is nothing else to do: if the last commit fails, it is told now and not with the next record.
        await this.#committing
        if ((await this.#log.endOffset(this.#source)) <= end) await this.#wait(next)
      }
    }
  }

  async #wait(position: number): Promise<void> {
    const wake = new AbortController()
    this.#wake = wake
    const delay = this.#idle.check()
    await this.#closeWindows(position)
    if (this.#closing || this.#drainTo !== undefined) return
    const cancel = delay === undefined ? undefined : this.#clock.schedule(() => wake.abort(), delay)
    await this.#reader.wait(wake.signal)
    cancel?.()
  }

  /** Processes records and commits them, in several transactions if one would be too large; gives the next position. */
  async #process(records: readonly LogRecord[]): Promise<number> {
    let batch = new MicroBatch()
    let position = records[0]!.offset
    for (const record of records) {
      if (this.#closing) break
      if (this.#pipeline.process(record, batch)) this.#idle.seen(record.partition)
      position = record.offset + 1
      while (!this.#pipeline.closeEnded(batch)) {
        await this.#commit(batch, position)
        batch = new MicroBatch()
      }
      if (this.#pipeline.isFull(batch) || batch.recordsIn >= mostRecords) {
        await this.#commit(batch, position)
        batch = new MicroBatch()
      }
    }
    await this.#commit(batch, position)
    return position
  }

  async #closeWindows(position: number): Promise<void> {
    if (this.#pipeline.windows?.hasEnded(this.#pipeline.watermark.current) !== true) return
    for (let more = true; more; ) {
      const batch = new MicroBatch()
      more = !this.#pipeline.closeEnded(batch)
      await this.#commit(batch, position)
    }
  }

  /** Hands the batch over when the one before is durable, so that the next is worked on meanwhile. */
  async #commit(batch: MicroBatch, position: number): Promise<void> {
    this.#pipeline.windows?.write(position, batch)
    const openWindows = this.#pipeline.windows?.count ?? 0
    const watermark = this.#pipeline.watermark.state()
    await this.#committing
    const { recordsIn, recordsOut, late } = this.#progress
    const progress = {
      position,
      watermark,
      recordsIn: recordsIn + batch.recordsIn,
      recordsOut: recordsOut + batch.outputs.length,
      late: late + batch.late,
    }
    const space = stateSpace(this.id)
    this.#committing = this.#log.transaction(tx => {
      batch.apply(tx, space, this.#sink)
      tx.putState(space, progressKey, encodeJson(progress))
      tx.onCommit(() => {
        this.#progress = progress
        this.#openWindows = openWindows
      })
    })
    // It is awaited before the next commit and at the end; a failure in between must not count as unhandled.
    this.#committing.catch(() => undefined)
  }
}

async function openSink(log: Log, name: string, partitions: number): Promise<TopicDescription> {
  try {
    return await log.describeTopic(name)
  } catch (error) {
    if (!AegisError.is(error, 'TOPIC_UNKNOWN')) throw error
    return log.createTopic(name, { partitions })
  }
}
