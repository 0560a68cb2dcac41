import { randomUUID } from 'node:crypto'
import {
  type Follower,
  type Log,
  type LogReader,
  type LogRecord,
  type OpenLogOptions,
  openLog,
  type Transaction,
} from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { encodeKey, type PrimaryKey } from './primary-key.ts'

/** What can go wrong in `@aegis/cdc`, besides what the log throws. */
export type CdcErrorCode =
  /** A row with this primary key exists. */
  | 'ROW_EXISTS'
  /** No row has this primary key. */
  | 'ROW_UNKNOWN'
  /** A row or primary key is not allowed. */
  | 'ROW_INVALID'
  /** The table exists with another primary key. */
  | 'TABLE_EXISTS'
  /** An option is not allowed, or the table was not made. */
  | 'CDC_INVALID'

export type Row = Record<string, any>
export type Operation = 'insert' | 'update' | 'delete' | 'truncate'

/** A change as it was committed; `oldRow` is there with `includeOldValues`. */
export interface ChangeEvent {
  readonly op: Operation
  readonly table: string
  /** null for `truncate`. */
  readonly key: PrimaryKey | null
  readonly oldRow?: Row
  readonly newRow?: Row
  readonly position: number
  readonly timestamp: number
  readonly transactionId: string
}

export interface SubscribeChangesOptions {
  /** Default: all. */
  operations?: readonly Operation[]
  /** Default false. */
  includeOldValues?: boolean
  /** Default `'latest'`; `position` is the first one wanted. */
  from?: 'latest' | 'earliest' | { position: number }
  signal?: AbortSignal
}

/** Leaving the loop closes it. */
export interface ChangeSubscription extends AsyncIterable<ChangeEvent> {
  close(): void
}

/** What can be done with a table, from the engine or inside a transaction. */
export interface TableWriter {
  /** @throws AegisError `ROW_EXISTS` */
  insert(row: Row): Promise<void>
  /** Replaces the fields of the patch; the primary key stays. @throws AegisError `ROW_UNKNOWN` */
  update(key: PrimaryKey, patch: Row): Promise<void>
  upsert(row: Row): Promise<void>
  /** @throws AegisError `ROW_UNKNOWN` */
  delete(key: PrimaryKey): Promise<void>
  /** Deletes all rows; one change. */
  truncate(): Promise<void>
  get(key: PrimaryKey): Promise<Row | undefined>
  /** All rows, by primary key: numbers, then strings. */
  scan(): AsyncIterable<Row>
}

/** The tables inside a transaction. */
export interface CdcTransaction {
  table(name: string): TableWriter
}

interface Change {
  op: Operation
  key: PrimaryKey | null
  oldRow?: Row
  newRow?: Row
  transactionId: string
}

const space = '$cdc'
const operations: readonly string[] = ['insert', 'update', 'delete', 'truncate']
const topicOf = (table: string): string => `$table.${table}`
const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const read = (record: { value: Uint8Array | null }): Change => JSON.parse(Buffer.from(record.value!).toString('utf8'))
// Row keys start with 1 or 2.
const truncateKey = Uint8Array.of(0)
const transactionIds = new WeakMap<Transaction, string>()

function transactionId(tx: Transaction): string {
  const id = transactionIds.get(tx) ?? randomUUID()
  transactionIds.set(tx, id)
  return id
}

function jsonRow(row: Row): Row {
  if (typeof row !== 'object' || row === null || Array.isArray(row))
    throw new AegisError('ROW_INVALID', 'a row must be an object')
  try {
    return JSON.parse(JSON.stringify(row))
  } catch (cause) {
    throw new AegisError('ROW_INVALID', `a row must be a JSON value: ${String(cause)}`, { cause })
  }
}

async function getRow(reader: LogReader, table: string, key: PrimaryKey): Promise<Row | undefined> {
  const record = await reader.get(topicOf(table), encodeKey(key))
  return record === undefined ? undefined : read(record).newRow
}

async function* scanRows(reader: LogReader, table: string): AsyncGenerator<Row> {
  for await (const record of reader.scan(topicOf(table))) {
    const { newRow } = read(record)
    if (newRow !== undefined) yield newRow
  }
}

class TransactionTable implements TableWriter {
  readonly #tx: Transaction
  readonly #name: string

  constructor(tx: Transaction, name: string) {
    this.#tx = tx
    this.#name = name
  }

  async insert(row: Row) {
    const newRow = jsonRow(row)
    const key = await this.#keyOf(newRow)
    if ((await this.get(key)) !== undefined)
      throw this.#error('ROW_EXISTS', key, 'is there already: update or upsert it')
    this.#write('insert', key, undefined, newRow)
  }

  async update(key: PrimaryKey, patch: Row) {
    const oldRow = await this.get(key)
    if (oldRow === undefined) throw this.#error('ROW_UNKNOWN', key, 'is not there: insert or upsert it')
    const newRow = { ...oldRow, ...jsonRow(patch) }
    const newKey = await this.#keyOf(newRow)
    if (Buffer.compare(encodeKey(newKey), encodeKey(key)) !== 0) {
      throw this.#error('ROW_INVALID', key, 'cannot change its primary key: delete it and insert another')
    }
    this.#write('update', newKey, oldRow, newRow)
  }

  async upsert(row: Row) {
    const newRow = jsonRow(row)
    const key = await this.#keyOf(newRow)
    const oldRow = await this.get(key)
    this.#write(oldRow === undefined ? 'insert' : 'update', key, oldRow, newRow)
  }

  async delete(key: PrimaryKey) {
    const oldRow = await this.get(key)
    if (oldRow === undefined) throw this.#error('ROW_UNKNOWN', key, 'is not there')
    this.#write('delete', key === 0 ? 0 : key, oldRow, undefined)
  }

  async truncate() {
    const keys: Uint8Array[] = []
    for await (const record of this.#tx.scan(topicOf(this.#name))) if (record.key![0] !== 0) keys.push(record.key!)
    this.#write('truncate', null, undefined, undefined)
    // The feed leaves tombstones out: the change is the record before them.
    if (keys.length > 0)
      this.#tx.append(
        topicOf(this.#name),
        keys.map(key => ({ key, value: null })),
      )
  }

  get(key: PrimaryKey) {
    return getRow(this.#tx, this.#name, key)
  }

  scan() {
    return scanRows(this.#tx, this.#name)
  }

  #write(op: Operation, key: PrimaryKey | null, oldRow: Row | undefined, newRow: Row | undefined) {
    const value = bytes(JSON.stringify({ op, key, oldRow, newRow, transactionId: transactionId(this.#tx) }))
    this.#tx.append(topicOf(this.#name), { key: key === null ? truncateKey : encodeKey(key), value })
  }

  async #keyOf(row: Row): Promise<PrimaryKey> {
    const stored = await this.#tx.getState(space, bytes(this.#name))
    if (stored === undefined)
      throw new AegisError('CDC_INVALID', `table ${this.#name} was not made: call table() first`)
    const field = Buffer.from(stored).toString('utf8')
    const key = Object.hasOwn(row, field) ? row[field] : undefined
    encodeKey(key)
    return key
  }

  #error(code: CdcErrorCode, key: PrimaryKey, text: string) {
    return new AegisError(code, `row ${JSON.stringify(key)} of table ${this.#name} ${text}`, {
      details: { table: this.#name, key },
    })
  }
}

/** A table; each write is one commit of row and change. */
export class Table implements TableWriter {
  readonly #log: Log
  readonly name: string

  constructor(log: Log, name: string) {
    this.#log = log
    this.name = name
  }

  insert(row: Row) {
    return this.#run(table => table.insert(row))
  }
  update(key: PrimaryKey, patch: Row) {
    return this.#run(table => table.update(key, patch))
  }
  upsert(row: Row) {
    return this.#run(table => table.upsert(row))
  }
  delete(key: PrimaryKey) {
    return this.#run(table => table.delete(key))
  }
  truncate() {
    return this.#run(table => table.truncate())
  }
  async get(key: PrimaryKey) {
    return getRow(this.#log, this.name, key)
  }
  scan(): AsyncIterable<Row> {
    return scanRows(this.#log, this.name)
  }

  #run(work: (table: TransactionTable) => Promise<void>): Promise<void> {
    return this.#log.transaction(tx => work(new TransactionTable(tx, this.name)), { retries: 100 })
  }
}

/** Tables in a log whose every change is captured in the commit that makes it. */
export class CdcEngine {
  readonly #log: Log
  #owned = false
  readonly #followers = new Set<Follower>()

  /** Uses the log and never closes it. */
  constructor(log: Log) {
    this.#log = log
  }

  /** Opens a log and owns it. */
  static async open(options: OpenLogOptions): Promise<CdcEngine> {
    const engine = new CdcEngine(await openLog(options))
    engine.#owned = true
    return engine
  }

  /** Makes a table, or resolves when it exists with the same primary key. @throws AegisError `TABLE_EXISTS` */
  async table(name: string, { primaryKey }: { primaryKey: string }): Promise<Table> {
    if (typeof name !== 'string' || name === '')
      throw new AegisError('CDC_INVALID', 'a table needs a name that is not empty')
    if (typeof primaryKey !== 'string' || !primaryKey.isWellFormed())
      throw new AegisError('CDC_INVALID', `primaryKey of table ${name}: name a field`)
    await this.#log.createTopic(topicOf(name), { keyed: 'latest' })
    await this.#log.transaction(async tx => {
      const stored = await tx.getState(space, bytes(name))
      if (stored === undefined) return tx.putState(space, bytes(name), bytes(primaryKey))
      const existing = Buffer.from(stored).toString('utf8')
      if (existing !== primaryKey)
        throw new AegisError('TABLE_EXISTS', `table ${name} exists with primaryKey ${existing}, not ${primaryKey}`)
    })
    return new Table(this.#log, name)
  }

  /** The changes of a table. The start is fixed when it resolves. */
  async subscribe(name: string, options: SubscribeChangesOptions = {}): Promise<ChangeSubscription> {
    const { operations: wanted, includeOldValues = false, from = 'latest', signal } = options
    for (const op of wanted ?? [])
      if (!operations.includes(op))
        throw new AegisError('CDC_INVALID', `operation ${op}: give ${operations.join(', ')}`)
    const start = from === 'earliest' ? 0 : from === 'latest' ? undefined : from.position
    if (start !== undefined && !(Number.isSafeInteger(start) && start >= 0))
      throw new AegisError('CDC_INVALID', "from: give 'latest', 'earliest' or { position }")
    const topic = topicOf(name)
    await this.#log.describeTopic(topic)
    const positions = new Map([[0, start ?? this.#log.endOffset(topic)]])
    const follower = this.#log.follow(topic, signal === undefined ? { positions } : { positions, signal })
    const followers = this.#followers.add(follower)
    const close = () => {
      followers.delete(follower)
      follower.close()
    }
    const event = (change: Change, record: LogRecord): ChangeEvent => {
      const { oldRow, ...rest } = change
      const old = includeOldValues && oldRow !== undefined ? { oldRow } : {}
      return { ...rest, ...old, table: name, position: record.offset, timestamp: record.timestamp }
    }
    async function* changes() {
      try {
        for (let page = await follower.next(); page !== undefined; page = await follower.next()) {
          for (const record of page.records) {
            if (record.value === null) continue
            const change = read(record)
            if (wanted === undefined || wanted.includes(change.op)) yield event(change, record)
          }
        }
      } finally {
        close()
      }
    }
    const iterator = changes()
    return { close, [Symbol.asyncIterator]: () => iterator }
  }

  /** The tables inside a transaction of the log. */
  within(tx: Transaction): CdcTransaction {
    return { table: name => new TransactionTable(tx, name) }
  }

  /** Ends subscriptions, and closes the log if it was opened here. */
  async close(): Promise<void> {
    for (const follower of this.#followers) follower.close()
    if (this.#owned) await this.#log.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
