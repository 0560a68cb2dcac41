import { checksumBytes, type Operation } from '@aegis/storage'
import { BatchWriter } from '../batch/batch-writer.ts'
import { batchKey, partitionKey } from '../keys.ts'
import type { Header } from '../log.ts'
import { encodeFigures, type PartitionFigures, type PartitionState } from './partition-state.ts'
import type { Stage } from './stage.ts'
import { envelopeBytes, writeEnvelope } from './stored-batch.ts'
import type { Tail, TailBatch } from './tail.ts'
import type { TopicState } from './topic-state.ts'

/** Bytes after which a batch is ended: small enough to be read for one record, large enough to be read in bulk. */
const batchBytes = 128_000

export interface Waiter {
  /** Called when the commit is durable, before anybody hears of it; must not throw. */
  committed(): void
  resolve(): void
  reject(error: unknown): void
}

interface OpenBatch {
  readonly topic: TopicState
  readonly partition: PartitionState
  readonly writer: BatchWriter
}

/** What goes into storage together: gathered while the commit before it is in flight. */
export class Commit {
  readonly number: number
  readonly writes = new Map<string, Operation>()
  /** Of these, those that mean the same as what was there before. */
  readonly rewrites = new Set<string>()
  readonly waiters: Waiter[] = []
  bytes = 0
  readonly #open = new Map<PartitionState, OpenBatch>()
  /** The open batch that was written to last: most records follow one of their partition. */
  #last: OpenBatch | undefined
  readonly #batches: { partition: PartitionState; batch: TailBatch }[] = []
  readonly #operations: Operation[] = []
  readonly #touched = new Map<PartitionState, TopicState>()
  readonly #ends = new Map<TopicState, number>()
  readonly #figures: { partition: PartitionState; figures: PartitionFigures }[] = []
  #durable: Promise<void> | undefined
  #settle: { resolve(): void; reject(error: unknown): void } | undefined

  constructor(number: number) {
    this.number = number
  }

  /** Settled after those who wait by a callback; made when somebody wants it. */
  get durable(): Promise<void> {
    this.#durable ??= new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    return this.#durable
  }

  /** Tells who waits that it is durable. */
  resolve(): void {
    for (const { resolve } of this.waiters) resolve()
    this.#settle?.resolve()
  }

  fail(error: unknown): void {
    for (const { reject } of this.waiters) reject(error)
    this.#settle?.reject(error)
  }

  /** Writes a record that was checked; `now` is the append time. */
  append(
    topic: TopicState,
    partition: PartitionState,
    offset: number,
    timestamp: number,
    key: Uint8Array | string | null,
    value: Uint8Array | string | null,
    headers: readonly Header[],
    now: number,
  ): void {
    let open = this.#last?.partition === partition ? this.#last : this.#open.get(partition)
    if (open === undefined) {
      const writer = new BatchWriter({
        baseOffset: offset,
        firstTimestamp: timestamp,
        reserved: envelopeBytes,
        reservedBehind: checksumBytes,
        capacity: partition.batchSize,
      })
      this.#open.set(partition, (open = { topic, partition, writer }))
    }
    this.#last = open
    const { writer } = open
    const before = writer.length
    writer.append(offset, timestamp, key, value, headers)
    this.bytes += writer.length - before
    if (writer.length >= batchBytes) {
      this.#end(partition, open, now)
      this.#open.delete(partition)
      this.#last = undefined
    }
  }

  /** Takes over what a request has decided. */
  apply(stage: Stage, now: number): void {
    for (const [id, operation] of stage.writes) {
      if (!stage.rewrites.has(id)) this.rewrites.delete(id)
      else if (!this.writes.has(id)) this.rewrites.add(id)
      this.writes.set(id, operation)
      this.bytes += operation.key.length + (operation.type === 'put' ? operation.value.length : 0)
    }
    for (const { topic, partition, change } of stage.changes) {
      partition.decided = { ...partition.decided, ...change(partition.decided) }
      this.#touched.set(partition, topic)
    }
    for (const { topic, partition, record } of stage.appends) {
      const { offset, timestamp, key, value, headers } = record
      this.append(topic, topic.partitions[partition]!, offset, timestamp, key, value, headers, now)
    }
  }

  /** Everything as operations of the storage; nothing may be added afterwards. */
  finish(now: number): readonly Operation[] {
    for (const [partition, open] of this.#open) this.#end(partition, open, now)
    this.#open.clear()
    for (const [partition, topic] of this.#touched) {
      const figures = { ...partition.decided, commit: this.number }
      partition.decided = figures
      this.#figures.push({ partition, figures })
      const key = partitionKey(topic.config.id, partition.partition)
      this.#operations.push({ type: 'put', key, value: encodeFigures(figures) })
    }
    for (const operation of this.writes.values()) this.#operations.push(operation)
    return this.#operations
  }

  /** It is durable: shows it to readers. */
  publish(tail: Tail): void {
    for (const { partition, figures } of this.#figures) partition.durable = figures
    for (const { partition, batch } of this.#batches) tail.push(partition, batch)
    for (const [topic, end] of this.#ends) {
      topic.endOffset = end
      topic.wake()
    }
  }

  #end(partition: PartitionState, { topic, writer }: OpenBatch, now: number): void {
    const { endOffset: previousEnd, endOrdinal: ordinal, bytes, batches, appendTime: before } = partition.decided
    const appendTime = Math.max(before, now)
    const stored = writer.finish()
    const { lastOffset, lastTimestamp, count, ascii } = writer
    writeEnvelope(stored, { previousEnd, appendTime, commit: this.number, ordinal, ascii })
    partition.decided = {
      ...partition.decided,
      endOffset: lastOffset + 1,
      endOrdinal: ordinal + count,
      bytes: bytes + stored.length,
      batches: batches + 1,
      newestTimestamp: lastTimestamp,
      appendTime,
    }
    partition.batchSize = Math.max(512, Math.min(batchBytes, stored.length) + 1_024)
    const key = batchKey(topic.config.id, partition.partition, lastOffset)
    this.#operations.push({ type: 'put', key, value: stored, given: true })
    this.#touched.set(partition, topic)
    this.#batches.push({ partition, batch: { previousEnd, lastOffset, stored } })
    this.#ends.set(topic, Math.max(this.#ends.get(topic) ?? 0, lastOffset + 1))
  }
}
