import { randomUUID } from 'node:crypto'
import type { Log, OutgoingRecord, Transaction } from '@aegis/log'
import { encodeChange } from './change.ts'
import { encodeKey } from './primary-key.ts'
import { rowText } from './row-reads.ts'
import { changeOf, keyOf, type RowWrite } from './row-write.ts'
import { readState, rowKey, topicOf } from './table-state.ts'
import { truncate } from './truncate.ts'

interface Queued {
  readonly write: RowWrite | 'truncate'
  resolve(): void
  reject(error: unknown): void
}

/** What became of the writes of one commit, by their place: those with an error wrote nothing. */
type Outcomes = readonly { readonly error?: unknown }[]

// Far below the 16 MB of a transaction, with the old rows that are still to be read.
const maxWrites = 1000
const maxBytes = 4_000_000
// Nobody but transactions of users can conflict with a queue: each retry means that one of those went through.
const retries = 1000

/**
 * The writes of one table outside transactions: one commit at a time, and all that wait go into the next. So rows
 * that everybody changes at once cause no conflicts, and one fsync serves all.
 */
export class WriteQueue {
  readonly #log: Log
  readonly #table: string
  readonly #truncated: () => void
  #waiting: Queued[] = []
  #running: Promise<void> | undefined

  /** @param truncated Called when a truncate has left rows behind. */
  constructor(log: Log, table: string, truncated: () => void) {
    this.#log = log
    this.#table = table
    this.#truncated = truncated
  }

  write(write: RowWrite | 'truncate'): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ write, resolve, reject })
      this.#running ??= Promise.resolve().then(() => this.#run())
    })
  }

  /** Resolves when everything asked for so far has been decided. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, maxWrites)
      try {
        const outcomes = await this.#log.transaction(tx => this.#commit(tx, batch), { retries })
        this.#waiting.splice(0, outcomes.length)
        outcomes.forEach((outcome, at) => {
          if ('error' in outcome) batch[at]!.reject(outcome.error)
          else batch[at]!.resolve()
        })
      } catch (error) {
        for (const { reject } of this.#waiting.splice(0, batch.length)) reject(error)
      }
    }
    this.#running = undefined
  }

  /** Does as many of the batch as fit, in their order; a truncate has a commit of its own. */
  async #commit(tx: Transaction, batch: readonly Queued[]): Promise<Outcomes> {
    const writes: RowWrite[] = []
    for (const { write } of batch) {
      if (write === 'truncate') break
      writes.push(write)
    }
    if (writes.length > 0) return this.#write(tx, writes)
    await truncate(tx, this.#table, randomUUID())
    tx.onCommit(this.#truncated)
    return [{}]
  }

  /** Writes as many rows as fit; each write is decided against those before it. */
  async #write(tx: Transaction, writes: readonly RowWrite[]): Promise<Outcomes> {
    const topic = topicOf(this.#table)
    const state = await readState(tx, this.#table)
    const placed = writes.map(write => this.#place(() => encodeKey(keyOf(write, this.#table, state))))
    const keys = new Map(placed.flatMap(({ key }) => (key === undefined ? [] : [[text(key), key] as const])))
    const stored = await Promise.all([...keys.values()].map(key => tx.getState(topic, rowKey(state.generation, key))))
    const rows = new Map([...keys.keys()].map((id, at) => [id, rowText(stored[at])]))
    const changed = new Set<string>()
    const records: OutgoingRecord[] = []
    const outcomes: { error?: unknown }[] = []
    let bytes = 0
    for (const [at, { key, error }] of placed.entries()) {
      if (bytes > maxBytes) break
      if (key === undefined) {
        outcomes.push({ error })
        continue
      }
      const id = text(key)
      try {
        const change = changeOf(writes[at]!, rows.get(id), this.#table, state)
        const value = encodeChange(change, randomUUID())
        records.push({ key, value })
        rows.set(id, change.newText)
        changed.add(id)
        bytes += value.length
        outcomes.push({})
      } catch (error) {
        outcomes.push({ error })
      }
    }
    if (records.length > 0) tx.append(topic, records)
    for (const id of changed) {
      const row = rows.get(id)
      const at = rowKey(state.generation, keys.get(id)!)
      if (row === undefined) tx.deleteState(topic, at)
      else tx.putState(topic, at, Buffer.from(row))
    }
    return outcomes
  }

  #place(key: () => Uint8Array): { key?: Uint8Array; error?: unknown } {
    try {
      return { key: key() }
    } catch (error) {
      return { error }
    }
  }
}

const text = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
