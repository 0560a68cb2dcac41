import { AegisError } from '@aegis/storage'
import { decodeRecordBatch } from '../batch/decode.ts'
import { encodeRecordBatch } from '../batch/encode.ts'
import { type BatchRecord, coverUpTo } from '../batch/layout.ts'
import { batchKey, latestKey, readU64 } from '../keys.ts'
import { latestOffset, latestVersion } from './latest-entry.ts'
import type { PartitionState } from './partition-state.ts'
import type { Sequencer } from './sequencer.ts'
import type { Stage } from './stage.ts'
import { type Envelope, envelopeBytes, readEnvelope, writeEnvelope } from './stored-batch.ts'
import type { StoredReads } from './stored-reads.ts'
import { forgetTail } from './tail.ts'
import type { TopicState } from './topic-state.ts'

/** A tombstone stays so long, in milliseconds, for those who follow to see it. Kafka's `delete.retention.ms`. */
const tombstoneTime = 86_400_000
/** Bytes that are read at once. */
const chunkBytes = 1_000_000
/** Neighbours are merged up to so many bytes, and one step writes as many. */
const batchBytes = 128_000
/** The difference of two offsets that a batch can express. */
const maxDifference = 0x7fffffff

interface Host {
  readonly storage: StoredReads
  readonly sequencer: Sequencer
  now(): number
}

interface Batch {
  readonly storageKey: Uint8Array
  readonly bytes: number
  readonly lastOffset: number
  readonly baseOffset: number
  readonly envelope: Envelope
  readonly live: readonly BatchRecord[]
  /** Tombstones that nobody needs any more. */
  readonly forgotten: readonly BatchRecord[]
  readonly dead: number
}

/**
 * Takes away the records of a partition that are not the last of their key, and merges what is left. Offsets stay, and
 * what a batch covers is covered by one batch afterwards, so that nothing looks like an end or a loss.
 */
export async function compactPartition(
  host: Host,
  topic: TopicState,
  partition: PartitionState,
  stopped: () => boolean,
): Promise<void> {
  const { bytes, compactedBytes, startOffset, endOffset } = partition.durable
  // Worth it when half is new: so each byte is rewritten a few times at most. Kafka's `min.cleanable.dirty.ratio`.
  if (bytes === 0 || bytes - compactedBytes < Math.max(1, compactedBytes)) return
  let group: Batch[] = []
  let kept = 0
  let covered = startOffset
  for (let from = startOffset; from < endOffset; ) {
    const batches = await readBatches(host, topic, partition.partition, from, endOffset)
    if (batches.length === 0) break
    for (const batch of batches) {
      if (stopped() || topic.deleted) return
      if (batch.baseOffset < covered) throw overlap(topic, partition, batch, covered)
      covered = batch.lastOffset + 1
      if (sizeOf(group) >= batchBytes || batch.lastOffset - (group[0] ?? batch).baseOffset > maxDifference) {
        kept += await rewrite(host, topic, partition, group)
        group = []
      }
      group.push(batch)
    }
    from = batches.at(-1)!.lastOffset + 1
  }
  kept += await rewrite(host, topic, partition, group)
  await host.sequencer.write(stage => stage.change(topic, partition, { compactedBytes: kept }))
}

/** Merging would hide it: who verifies the log is told. */
const overlap = ({ config }: TopicState, { partition }: PartitionState, batch: Batch, covered: number): AegisError =>
  new AegisError(
    'BATCH_INVALID',
    `the batch of ${config.name}/${partition} that ends at ${batch.lastOffset} begins at ${batch.baseOffset}, and the one before it covers up to ${covered - 1}: verify the log`,
    { details: { topic: config.name, partition, offset: batch.baseOffset } },
  )

const sizeOf = (group: readonly Batch[]): number =>
  group.reduce((sum, { live, dead, bytes }) => sum + (bytes * live.length) / Math.max(1, live.length + dead), 0)

async function readBatches(
  { storage, now }: Host,
  topic: TopicState,
  partition: number,
  from: number,
  end: number,
): Promise<Batch[]> {
  const { id } = topic.config
  const range = { gte: batchKey(id, partition, from), lt: batchKey(id, partition, end), chunkBytes }
  for await (const entries of storage.range(range)) {
    const decoded = entries.map(([key, stored]) => ({
      key,
      stored,
      batch: decodeRecordBatch(stored.subarray(envelopeBytes)),
    }))
    const records = decoded.flatMap(({ batch }) => batch.records)
    const indexed = await storage.getMany(records.map(({ key }) => latestKey(id, key ?? new Uint8Array())))
    let at = 0
    const old = now() - tombstoneTime
    return decoded.map(({ key, stored, batch }) => {
      const envelope = readEnvelope(stored)
      const live: BatchRecord[] = []
      const forgotten: BatchRecord[] = []
      for (const record of batch.records) {
        const entry = indexed[at++]
        if (entry === undefined || latestOffset(entry) !== record.offset) continue
        if (record.value === null && envelope.appendTime < old) forgotten.push(record)
        else live.push(record)
      }
      const lastOffset = readU64(key, key.length - 8)
      const dead = batch.count - live.length
      return {
        storageKey: key,
        bytes: stored.length,
        lastOffset,
        baseOffset: batch.baseOffset,
        envelope,
        live,
        forgotten,
        dead,
      }
    })
  }
  return []
}

/** Makes one batch of neighbours; returns the bytes that there are afterwards. */
async function rewrite(
  { sequencer }: Host,
  topic: TopicState,
  partition: PartitionState,
  group: readonly Batch[],
): Promise<number> {
  const bytes = group.reduce((sum, batch) => sum + batch.bytes, 0)
  const dead = group.reduce((sum, batch) => sum + batch.dead, 0)
  const records = group.flatMap(({ live }) => live)
  // A batch of no records would be all that covers these offsets: they stay until a neighbour with one is next to them.
  if (records.length === 0 || (dead === 0 && group.length === 1)) return bytes
  const [first, last] = [group[0]!, group.at(-1)!]
  const merged = encodeRecordBatch(records, { baseOffset: first.baseOffset })
  coverUpTo(merged, last.lastOffset)
  const stored = Buffer.allocUnsafe(envelopeBytes + merged.length)
  stored.set(merged, envelopeBytes)
  const { previousEnd, ordinal } = first.envelope
  const { appendTime, commit } = last.envelope
  const ascii = group.every(({ envelope }) => envelope.ascii)
  writeEnvelope(stored, { previousEnd, ordinal, appendTime, commit, ascii })
  const { id } = topic.config
  const forgotten = group.flatMap(batch => batch.forgotten)
  await sequencer.submit({
    reads: forgotten.map(({ key }) => latestKey(id, key!)),
    decide: stage => {
      if (topic.deleted) return
      for (const { storageKey } of group) stage.delete(storageKey)
      stage.put(last.storageKey, stored)
      for (const record of forgotten) forget(stage, id, record)
      const figures = partition.decided
      stage.change(topic, partition, {
        bytes: figures.bytes - bytes + stored.length,
        compacted: figures.compacted + dead,
        batches: figures.batches - group.length + 1,
      })
    },
    // What is in memory still has what is gone.
    committed: () => forgetTail(partition, last.lastOffset),
  })
  return stored.length
}

/** The key of a tombstone that is gone is as if it had never been. */
function forget(stage: Stage, topicId: number, { key, offset }: BatchRecord): void {
  const entry = stage.get(latestKey(topicId, key!))
  // It may have been written again in the meantime.
  if (entry !== undefined && latestOffset(entry) === offset && latestVersion(entry) === 'no-stream') {
    stage.delete(latestKey(topicId, key!))
  }
}
