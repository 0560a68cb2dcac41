import type { Log, LogRecord, Readable, Transaction, Untyped } from '@aegis/log'
import { type ChangeEvent, decodeChange } from './change.ts'
import type { ChangeSubscription, SubscribeChangesOptions } from './changes.ts'
import type { PrimaryKey } from './primary-key.ts'
import { encodeRow } from './row.ts'
import { getRow, scanRows } from './row-reads.ts'
import type { TableOperations } from './table-operations.ts'
import { topicOf } from './table-state.ts'
import type { TransactionTable } from './transaction-table.ts'
import type { WriteQueue } from './write-queue.ts'

/** What a table needs of the engine that it belongs to. */
export interface TableHost {
  readonly log: Log
  queue(table: string): WriteQueue
  within<R extends object>(tx: Transaction, table: string): TransactionTable<R>
  subscribe<R extends object>(table: string, options: SubscribeChangesOptions): Promise<ChangeSubscription<R, boolean>>
}

/** A table; each write is one commit of row and change. Its changes can be read wherever a topic can. */
export class Table<R extends object = Untyped> implements TableOperations<R>, Readable<ChangeEvent<R>> {
  readonly name: string
  /** The topic of the changes. */
  readonly topic: string
  readonly #host: TableHost

  constructor(host: TableHost, name: string) {
    this.#host = host
    this.name = name
    this.topic = topicOf(name)
  }

  async insert(row: R): Promise<void> {
    return this.#host.queue(this.name).write({ op: 'insert', row: encodeRow(row) })
  }

  async update(key: PrimaryKey, patch: Partial<R>): Promise<void> {
    return this.#host.queue(this.name).write({ op: 'update', key, patch: encodeRow(patch) })
  }

  async upsert(row: R): Promise<void> {
    return this.#host.queue(this.name).write({ op: 'upsert', row: encodeRow(row) })
  }

  async delete(key: PrimaryKey): Promise<void> {
    return this.#host.queue(this.name).write({ op: 'delete', key })
  }

  async truncate(): Promise<void> {
    return this.#host.queue(this.name).write('truncate')
  }

  async get(key: PrimaryKey): Promise<R | undefined> {
    return (await getRow(this.#host.log, this.name, key)) as R | undefined
  }

  scan(): AsyncIterable<R> {
    return scanRows(this.#host.log, this.name) as AsyncIterable<R>
  }

  /** The table inside a transaction of the log. */
  within(tx: Transaction): TableOperations<R> {
    return this.#host.within<R>(tx, this.name)
  }

  /** The changes of the table, as `CdcEngine.subscribe`. */
  subscribe(options: SubscribeChangesOptions & { includeOldValues: true }): Promise<ChangeSubscription<R, true>>
  subscribe(options?: SubscribeChangesOptions & { includeOldValues?: false }): Promise<ChangeSubscription<R, false>>
  subscribe(options?: SubscribeChangesOptions): Promise<ChangeSubscription<R, boolean>>
  subscribe(options: SubscribeChangesOptions = {}): Promise<ChangeSubscription<R, boolean>> {
    return this.#host.subscribe<R>(this.name, options)
  }

  /** The change in a record of the topic, with the old row. */
  decode(record: LogRecord): ChangeEvent<R> {
    return decodeChange<R>(this.name, record)
  }
}
