import type { Log, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { AssignedPartition } from './assigned-partition.ts'
import { Delivery } from './delivery.ts'
import { beginRetry, decodeRetry, dueOfKey, encodeRetry, isBegun, retryKey, retryPrefix } from './retry-rows.ts'

/** So much of it is at work at the same time; the rest stays in the log. */
const mostAtWork = 500
const mostBytesAtWork = 4_000_000
/** Another process may have put something back from the dead letters. */
const longestSleep = 15_000

// Those of this process, to be told of what is put back from the dead letters.
const queues = new WeakMap<Log, Map<string, Set<RetryQueue>>>()

/** What a group has put aside of a topic may be due now. */
export function wakeRetries(log: Log, space: string): void {
  for (const queue of queues.get(log)?.get(space) ?? []) queue.wake()
}

/**
 * What the group has put aside of a partition: refused for longer than it may be kept in the window. Rows of a private key
 * space, written in the commit that acknowledges the record, deleted in the one that acknowledges the delivery from here.
 */
export class RetryQueue {
  readonly #log: Log
  readonly #space: string
  readonly #partition: AssignedPartition
  readonly #deliver: (delivery: Delivery) => void
  readonly #failed: (error: unknown) => void
  /** At work, by the text of their keys, until their rows are deleted. */
  readonly #atWork = new Map<string, Delivery>()
  /** Acknowledged, and not yet in a commit. */
  readonly #done = new Set<Delivery>()
  #bytesAtWork = 0
  #timer: NodeJS.Timeout | undefined
  #wakesAt = 0
  #loading: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(
    log: Log,
    space: string,
    partition: AssignedPartition,
    deliver: (delivery: Delivery) => void,
    failed: (error: unknown) => void,
  ) {
    this.#log = log
    this.#space = space
    this.#partition = partition
    this.#deliver = deliver
    this.#failed = failed
    let bySpace = queues.get(log)
    if (bySpace === undefined) queues.set(log, (bySpace = new Map()))
    const here = bySpace.get(space)
    if (here === undefined) bySpace.set(space, new Set([this]))
    else here.add(this)
  }

  /** Delivers what is due now, and later what becomes due. */
  wake(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#stopped) return
    if (this.#loading !== undefined) {
      this.#again = true
      return
    }
    this.#again = false
    this.#loading = this.#load()
      .catch((error: unknown) => {
        // What was found has changed meanwhile, again and again.
        if (AegisError.is(error, 'TRANSACTION_CONFLICT')) this.#again = true
        // Another member has the partition: it delivers them.
        else if (!AegisError.is(error, 'GENERATION_FENCED') && !AegisError.is(error, 'LOG_CLOSED')) this.#failed(error)
      })
      .finally(() => {
        this.#loading = undefined
        if (this.#again) this.wake()
      })
  }

  /** Delivers nothing more. What was not handed over has not been an attempt. */
  async close(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    clearTimeout(this.#timer)
    const here = queues.get(this.#log)?.get(this.#space)
    here?.delete(this)
    if (here?.size === 0) queues.get(this.#log)?.delete(this.#space)
    await this.#loading
    const unused = [...this.#atWork.values()].filter(({ settling }) => settling === undefined)
    if (unused.length === 0) return
    const { source } = this.#partition
    await this.#log
      .transaction(tx => {
        for (const { record, retry } of unused) {
          if (retry === undefined) continue
          // It may be leased until some time to come: by nobody.
          const due = Math.min(dueOfKey(retry.key), this.#log.now())
          tx.deleteState(this.#space, retry.key)
          tx.putState(
            this.#space,
            retryKey(record.partition, due, record.offset),
            encodeRetry(record, retry.attempts - 1),
          )
        }
        source.stage(tx, this.#partition, [])
      })
      .catch((error: unknown) => {
        // Another member has the partition already.
        if (!AegisError.is(error, 'GENERATION_FENCED')) throw error
      })
  }

  /** Puts a delivery aside in the transaction that acknowledges it. Its attempts so far stay. */
  put(tx: Transaction, delivery: Delivery, due: number): void {
    const { record, attempts } = delivery
    tx.putState(this.#space, retryKey(record.partition, due, record.offset), encodeRetry(record, attempts))
    tx.onCommit(() => this.#sleepUntil(due))
  }

  /** Nobody else gets it before: its row is due then. */
  lease(tx: Transaction, delivery: Delivery, until: number): void {
    const { record, retry } = delivery
    if (retry === undefined) return
    const [before, key] = [retry.key, retryKey(record.partition, until, record.offset)]
    tx.deleteState(this.#space, before)
    tx.putState(this.#space, key, encodeRetry(record, retry.attempts, true))
    tx.onCommit(() => {
      this.#atWork.delete(keyText(before))
      this.#atWork.set(keyText(key), delivery)
      retry.key = key
    })
  }

  /** It is done with; the next commit of the partition deletes its row. */
  done(delivery: Delivery): void {
    this.#done.add(delivery)
  }

  get dirty(): boolean {
    return this.#done.size > 0
  }

  /** Deletes the rows of those that are done with, and of `also` if they are from here. */
  stage(tx: Transaction, also: readonly Delivery[]): void {
    for (const delivery of [...this.#done, ...also]) {
      const { retry } = delivery
      if (retry === undefined) continue
      tx.deleteState(this.#space, retry.key)
      tx.onCommit(() => this.#forget(delivery, retry.key))
    }
  }

  #forget(delivery: Delivery, key: Uint8Array): void {
    this.#done.delete(delivery)
    if (!this.#atWork.delete(keyText(key))) return
    this.#bytesAtWork -= delivery.bytes
    // What did not fit before.
    if (this.#atWork.size === 0) this.wake()
  }

  async #load(): Promise<void> {
    const { partition, source } = this.#partition
    const found: Uint8Array[] = []
    const now = this.#log.now()
    let bytes = 0
    this.#sleep(longestSleep)
    for await (const [key, row] of this.#log.scanState(this.#space, retryPrefix(partition))) {
      if (this.#stopped) return
      if (this.#atWork.has(keyText(key))) continue
      const due = dueOfKey(key)
      if (due > now) {
        this.#sleepUntil(due)
        break
      }
      // What may have ended a process is delivered alone: what is delivered with it would count as tried each time.
      const alone = isBegun(row)
      if (alone && this.#atWork.size + found.length > 0) break
      if (this.#atWork.size + found.length >= mostAtWork || this.#bytesAtWork + bytes > mostBytesAtWork) break
      found.push(new Uint8Array(key))
      bytes += row.length
      if (alone) break
    }
    if (found.length === 0) return
    // The attempt counts before it begins: a message that ends the process is not delivered for ever.
    const deliveries = await this.#log.transaction(async tx => {
      const rows = await Promise.all(found.map(key => tx.getState(this.#space, key)))
      const begun: Delivery[] = []
      for (const [at, key] of found.entries()) {
        const row = rows[at]
        // Leased or done with since it was found: writing it again would bring it back.
        if (row === undefined) continue
        const { attempts, record } = decodeRetry(source.topic, partition, row)
        tx.putState(this.#space, key, beginRetry(row, attempts + 1))
        const delivery = new Delivery(record, this.#partition, -1, row.length, { key, attempts: attempts + 1 })
        delivery.postponed = dueOfKey(key) > 0
        begun.push(delivery)
      }
      source.stage(tx, this.#partition, [])
      return begun
    })
    for (const delivery of deliveries) {
      this.#atWork.set(keyText(delivery.retry!.key), delivery)
      this.#bytesAtWork += delivery.bytes
      this.#deliver(delivery)
    }
  }

  #sleepUntil(due: number): void {
    this.#sleep(Math.max(0, Math.min(due - this.#log.now(), longestSleep)))
  }

  /** Wakes after so long, or before if that is planned. */
  #sleep(wait: number): void {
    if (this.#stopped) return
    const at = this.#log.now() + wait
    if (this.#timer !== undefined && this.#wakesAt <= at) return
    clearTimeout(this.#timer)
    this.#wakesAt = at
    this.#timer = setTimeout(() => this.wake(), wait).unref()
  }
}

const keyText = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
