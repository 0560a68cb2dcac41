import { randomUUID } from 'node:crypto'
import type { Transaction, Untyped } from '@aegis/log'
import { encodeChange } from './change.ts'
import { encodeKey, type PrimaryKey } from './primary-key.ts'
import { encodeRow } from './row.ts'
import { getRow, rowText, scanRows } from './row-reads.ts'
import { changeOf, keyOf, type RowWrite } from './row-write.ts'
import type { TableOperations } from './table-operations.ts'
import { readState, rowKey, topicOf } from './table-state.ts'
import { truncate } from './truncate.ts'

interface Work {
  readonly transactionId: string
  /** By table: its writes follow one another, whether each is awaited or not. */
  readonly last: Map<string, Promise<void>>
}

const works = new WeakMap<Transaction, Work>()

function workOf(tx: Transaction): Work {
  let work = works.get(tx)
  if (work === undefined) works.set(tx, (work = { transactionId: randomUUID(), last: new Map() }))
  return work
}

/** A table inside a transaction: reads see the transaction's own writes. */
export class TransactionTable<R extends object = Untyped> implements TableOperations<R> {
  readonly #tx: Transaction
  readonly #name: string
  readonly #truncated: () => void

  constructor(tx: Transaction, name: string, truncated: () => void) {
    this.#tx = tx
    this.#name = name
    this.#truncated = truncated
  }

  async insert(row: R): Promise<void> {
    return this.#write({ op: 'insert', row: encodeRow(row) })
  }

  async update(key: PrimaryKey, patch: Partial<R>): Promise<void> {
    return this.#write({ op: 'update', key, patch: encodeRow(patch) })
  }

  async upsert(row: R): Promise<void> {
    return this.#write({ op: 'upsert', row: encodeRow(row) })
  }

  async delete(key: PrimaryKey): Promise<void> {
    return this.#write({ op: 'delete', key })
  }

  truncate(): Promise<void> {
    return this.#next(async () => {
      await truncate(this.#tx, this.#name, workOf(this.#tx).transactionId)
      this.#tx.onCommit(this.#truncated)
    })
  }

  get(key: PrimaryKey): Promise<R | undefined> {
    return getRow(this.#tx, this.#name, key) as Promise<R | undefined>
  }

  scan(): AsyncIterable<R> {
    return scanRows(this.#tx, this.#name) as AsyncIterable<R>
  }

  #write(write: RowWrite): Promise<void> {
    return this.#next(async () => {
      const state = await readState(this.#tx, this.#name)
      const primaryKey = encodeKey(keyOf(write, this.#name, state))
      const topic = topicOf(this.#name)
      const at = rowKey(state.generation, primaryKey)
      const change = changeOf(write, rowText(await this.#tx.getState(topic, at)), this.#name, state)
      this.#tx.append(topic, { key: primaryKey, value: encodeChange(change, workOf(this.#tx).transactionId) })
      if (change.newText === undefined) this.#tx.deleteState(topic, at)
      else this.#tx.putState(topic, at, Buffer.from(change.newText))
    })
  }

  #next(work: () => Promise<void>): Promise<void> {
    const { last } = workOf(this.#tx)
    const run = (last.get(this.#name) ?? Promise.resolve()).then(work)
    last.set(
      this.#name,
      run.catch(() => undefined),
    )
    return run
  }
}
