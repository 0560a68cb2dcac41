import { CdcEngine, type CdcOptions } from '@aegis/cdc'
import { EventStore, type EventStoreOptions } from '@aegis/eventstore'
import { type Log, parseDuration, type Transaction, type TransactionOptions } from '@aegis/log'
import { runningJobs, StreamProcessor, type StreamProcessorOptions } from '@aegis/processing'
import { PubSub, type PubSubOptions } from '@aegis/pubsub'
import { AegisError } from '@aegis/storage'
import type { CloseOptions } from '@aegis/subscription'
import type { EngineOptions } from './engine-options.ts'
import { type EngineStats, readStats } from './engine-stats.ts'
import { type EngineTransaction, gather } from './engine-transaction.ts'
import { openEngineLog } from './open-engine-log.ts'
import { readSettings, type Settings } from './settings.ts'

/** Pub/sub, captured tables and event streams over one log, with one atomic commit across all of them. */
export class StreamingEngine implements AsyncDisposable {
  /** The log that everything stands on; standalone packages may use it beside the engine. */
  readonly log: Log
  /** Topics: messages with keys, headers and consumer groups. */
  readonly pubsub: PubSub
  /** Event streams with expected versions. */
  readonly events: EventStore
  /** `pubsub.createTopic` */
  readonly createTopic: PubSub['createTopic']
  /** `pubsub.publish` */
  readonly publish: PubSub['publish']
  /** `pubsub.publishMany` */
  readonly publishMany: PubSub['publishMany']
  /** `pubsub.subscribe` */
  readonly subscribe: PubSub['subscribe']
  readonly #cdc: CdcEngine | undefined
  readonly #opened = Date.now()
  #closing: Promise<void> | undefined

  private constructor(log: Log, settings: Settings, events: EventStoreOptions) {
    this.log = log
    this.pubsub = new PubSub(log, pubsubOptions(settings))
    this.#cdc = settings.cdcEnabled === false ? undefined : new CdcEngine(log, cdcOptions(settings))
    this.events = new EventStore(log, events)
    this.createTopic = this.pubsub.createTopic.bind(this.pubsub)
    this.publish = this.pubsub.publish.bind(this.pubsub)
    this.publishMany = this.pubsub.publishMany.bind(this.pubsub)
    this.subscribe = this.pubsub.subscribe.bind(this.pubsub)
  }

  /**
   * Opens everything over one data folder, in memory, or over a cluster.
   * @throws AegisError `ENGINE_INVALID`, `CONFIG_INVALID`, `DRIVER_NOT_INSTALLED`, and what the storage throws:
   * `STORAGE_LOCKED` when the folder is in use, …
   */
  static async open(options: EngineOptions): Promise<StreamingEngine> {
    const settings = await readSettings(options)
    const log = await openEngineLog(settings, options.now)
    try {
      return new StreamingEngine(log, settings, options.events ?? {})
    } catch (error) {
      await log.close()
      throw error
    }
  }

  /** Tables whose every change is captured. @throws AegisError `CDC_DISABLED` */
  get cdc(): CdcEngine {
    return this.#cdc ?? cdcDisabled()
  }

  /**
   * A stream processor that reads and writes topics of this engine; the id names its position and state.
   * @throws AegisError `PROCESSOR_INVALID`
   */
  processor(id: string, options: Omit<StreamProcessorOptions, 'id'> = {}): StreamProcessor {
    return new StreamProcessor(this.log, { ...options, id })
  }

  /**
   * Messages, rows, events and acknowledgements of one function in one commit, or none of it. Serializable; the function
   * is run again after a conflict, so it should have no other effects.
   * @throws AegisError `TRANSACTION_CONFLICT`, `TRANSACTION_TOO_OLD`, `TRANSACTION_TOO_LARGE`, and what the function throws
   */
  transaction<T>(work: (tx: EngineTransaction) => Promise<T> | T, options?: TransactionOptions): Promise<T> {
    return this.log.transaction(tx => work(this.within(tx)), options)
  }

  /** The engine's vocabulary on a transaction of the log, such as the one that a subscription's `run` gives. */
  within(tx: Transaction): EngineTransaction {
    return gather(tx, {
      pubsub: this.pubsub.within(tx),
      cdc: this.#cdc?.within(tx) ?? { table: cdcDisabled },
      events: this.events.within(tx),
    })
  }

  /** What a dashboard shows. Reads what the log has in memory, and the committed positions of the groups. */
  stats(): Promise<EngineStats> {
    return readStats(this.log, Date.now() - this.#opened)
  }

  /**
   * Ends processors and subscriptions, then closes the log. Handlers are waited for until they end, with `timeout` no longer than that:
   * what they are at work with is delivered again by the next start, and what they still do is not heard.
   * @throws AegisError `ENGINE_INVALID`, and what has failed while closing; the log is closed all the same
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkClose(options)
    if (this.#closing === undefined) this.#closing = this.#close(options)
    // Whoever has less patience than somebody who waits already is heard, too.
    else if (options.timeout !== undefined) void Promise.allSettled(this.#closeServices(options))
    await this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(options: CloseOptions): Promise<void> {
    try {
      // None of them is left open because another fails; then the first that failed is told.
      const closed = await Promise.allSettled([
        ...runningJobs(this.log).map(job => job.close()),
        ...this.#closeServices(options),
      ])
      for (const result of closed) if (result.status === 'rejected') throw result.reason
    } finally {
      await this.log.close()
    }
  }

  #closeServices(options: CloseOptions): Promise<void>[] {
    return [this.pubsub, this.events, ...(this.#cdc === undefined ? [] : [this.#cdc])].map(each => each.close(options))
  }
}

function checkClose({ timeout }: CloseOptions): void {
  if (timeout === undefined) return
  try {
    parseDuration('timeout', timeout)
  } catch (error) {
    throw new AegisError('ENGINE_INVALID', `close: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

function cdcDisabled(): never {
  throw new AegisError('CDC_DISABLED', 'tables are turned off: set enabled = true under [streaming.cdc]')
}

function pubsubOptions(settings: Settings): PubSubOptions {
  const { maxPollRecords, autoCommit, sessionTimeout, publishLimitBytes: bytes, publishWhenFull: whenFull } = settings
  return {
    consumer: {
      ...(sessionTimeout !== undefined && { sessionTimeout }),
      ...(maxPollRecords !== undefined && { maxPollRecords }),
      ...(autoCommit !== undefined && { autoCommit }),
    },
    ...(bytes !== undefined && { publishLimit: { bytes, ...(whenFull !== undefined && { whenFull }) } }),
  }
}

const cdcOptions = ({ cdcBufferSize }: Settings): CdcOptions =>
  cdcBufferSize === undefined ? {} : { bufferSize: cdcBufferSize }
