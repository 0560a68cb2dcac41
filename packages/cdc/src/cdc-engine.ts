import { type Log, type OpenLogOptions, openLog, type Transaction, type Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { CloseOptions } from '@aegis/subscription'
import { type ChangeSubscription, type SubscribeChangesOptions, subscribeToChanges } from './changes.ts'
import { sweep } from './sweep.ts'
import { Table, type TableHost } from './table.ts'
import { createTable, type TableOptions } from './table-definition.ts'
import type { TableOperations } from './table-operations.ts'
import { TransactionTable } from './transaction-table.ts'
import { WriteQueue } from './write-queue.ts'

export interface CdcOptions {
  /** How many changes a subscription fetches at once, at most 10,000. Default 10,000. */
  bufferSize?: number
}

/** The tables inside a transaction. */
export interface CdcTransaction {
  /** A table that `CdcEngine.table` has made. */
  table<R extends object = Untyped>(name: string): TableOperations<R>
}

/** Tables in a log whose every change is captured in the commit that makes it. */
export class CdcEngine {
  readonly #log: Log
  readonly #bufferSize: number
  #owned = false
  readonly #queues = new Map<string, WriteQueue>()
  readonly #subscriptions = new Set<{ close(options: CloseOptions): Promise<void> }>()
  readonly #sweeps = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  readonly #host: TableHost

  /** Uses the log and never closes it. */
  constructor(log: Log, { bufferSize = 10_000 }: CdcOptions = {}) {
    if (!Number.isSafeInteger(bufferSize) || bufferSize < 1) {
      throw new AegisError('CDC_INVALID', `bufferSize ${String(bufferSize)}: give a whole number of changes from 1`)
    }
    this.#log = log
    this.#bufferSize = bufferSize
    this.#host = {
      log,
      queue: table => this.#queue(table),
      within: (tx, table) => new TransactionTable(tx, table, () => this.#sweep(table)),
      subscribe: (table, options) => this.#subscribe(table, options),
    }
  }

  /** Opens a log and owns it. */
  static async open(options: OpenLogOptions & CdcOptions): Promise<CdcEngine> {
    const { bufferSize, ...logOptions } = options
    const log = await openLog(logOptions as OpenLogOptions)
    const engine = new CdcEngine(log, bufferSize === undefined ? {} : { bufferSize })
    engine.#owned = true
    return engine
  }

  /**
   * Makes a table, or resolves when it exists with the same settings.
   * @throws AegisError `TABLE_EXISTS`, `CDC_INVALID`
   */
  async table<R extends object = Untyped>(name: string, options: TableOptions<NoInfer<R>>): Promise<Table<R>> {
    this.#check()
    await createTable(this.#log, name, options)
    this.#sweep(name)
    return new Table<R>(this.#host, name)
  }

  /**
   * The changes of a table, in the order of their commits. The start is fixed when it resolves.
   * @throws AegisError `TABLE_UNKNOWN`, `CDC_INVALID`
   */
  subscribe<R extends object = Untyped>(
    table: string,
    options: SubscribeChangesOptions & { includeOldValues: true },
  ): Promise<ChangeSubscription<R, true>>
  subscribe<R extends object = Untyped>(
    table: string,
    options?: SubscribeChangesOptions & { includeOldValues?: false },
  ): Promise<ChangeSubscription<R, false>>
  subscribe<R extends object = Untyped>(
    table: string,
    options?: SubscribeChangesOptions,
  ): Promise<ChangeSubscription<R, boolean>>
  subscribe<R extends object = Untyped>(
    table: string,
    options: SubscribeChangesOptions = {},
  ): Promise<ChangeSubscription<R, boolean>> {
    return this.#subscribe<R>(table, options)
  }

  /** The tables inside a transaction of the log. */
  within(tx: Transaction): CdcTransaction {
    return { table: <R extends object>(name: string) => this.#host.within<R>(tx, name) }
  }

  /** Resolves when the space of rows that truncates have deleted is given back; it happens in the background by itself. */
  async swept(): Promise<void> {
    await Promise.all(this.#sweeps)
  }

  /**
   * Ends subscriptions, and closes the log if it was opened here. Handlers are waited for, with `timeout` no longer than that.
   * @throws AegisError `SUBSCRIPTION_INVALID`
   */
  async close(options: CloseOptions = {}): Promise<void> {
    this.#closing.abort()
    await Promise.all([...this.#subscriptions].map(subscription => subscription.close(options)))
    await Promise.all([...this.#queues.values()].map(queue => queue.idle()))
    const swept = await Promise.allSettled(this.#sweeps)
    if (this.#owned) await this.#log.close()
    for (const outcome of swept) {
      // Rows left behind because the log was closed before are swept when the table is opened again.
      if (outcome.status === 'rejected' && !AegisError.is(outcome.reason, 'LOG_CLOSED')) throw outcome.reason
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #subscribe<R extends object>(
    table: string,
    options: SubscribeChangesOptions,
  ): Promise<ChangeSubscription<R, boolean>> {
    this.#check()
    const subscription = await subscribeToChanges<R>(this.#log, table, options, this.#bufferSize)
    this.#subscriptions.add(subscription)
    subscription.onClose(() => this.#subscriptions.delete(subscription))
    return subscription
  }

  #queue(table: string): WriteQueue {
    this.#check()
    let queue = this.#queues.get(table)
    if (queue === undefined) {
      queue = new WriteQueue(this.#log, table, () => this.#sweep(table))
      this.#queues.set(table, queue)
    }
    return queue
  }

  /** In the background; what it cannot do is the business of whoever closes the engine. */
  #sweep(table: string): void {
    const run = sweep(this.#log, table, this.#closing.signal)
    this.#sweeps.add(run)
    run.then(
      () => this.#sweeps.delete(run),
      () => undefined,
    )
  }

  #check(): void {
    if (this.#closing.signal.aborted) throw new AegisError('CDC_CLOSED', 'the engine is closed: open another')
  }
}
