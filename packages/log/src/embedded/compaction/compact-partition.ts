import { AegisError } from '@aegis/storage'
import { BatchWriter } from '../../batch/batch-writer.ts'
import { decodeRecordBatch } from '../../batch/decode.ts'
import { encodeRecordBatch } from '../../batch/encode.ts'
import { type BatchRecord, coverUpTo } from '../../batch/layout.ts'
import { batchKey, readU64 } from '../../keys.ts'
import type { PartitionState } from '../partition-state.ts'
import type { Sequencer } from '../sequencer.ts'
import type { Stage } from '../stage.ts'
import { type Envelope, envelopeBytes, readEnvelope, writeEnvelope } from '../stored-batch.ts'
import type { StoredReads } from '../stored-reads.ts'
import { forgetTail } from '../tail.ts'
import type { TopicState } from '../topic-state.ts'

/** Bytes that are read at once. */
const chunkBytes = 1_000_000
/** Neighbours are merged up to so many bytes, and one step writes as many. */
const batchBytes = 128_000
/** One step takes away so many batches at most: it shares a commit with the appends of that moment. */
const stepBatches = 1_000
/** The difference of two offsets that a batch can express. */
const maxDifference = 0x7fffffff

export interface CompactionHost {
  readonly storage: StoredReads
  readonly sequencer: Sequencer
  now(): number
}

/** What of the records of a topic is not needed any more. */
export interface Compaction {
  /** Whether each of the records goes; a batch of them was appended at `appendTime`. */
  judge(records: readonly { readonly record: BatchRecord; readonly appendTime: number }[]): Promise<readonly boolean[]>
  /** What has to be read, and done, in the commit that takes a record away. */
  readonly taken?: {
    reads(record: BatchRecord): readonly Uint8Array[]
    stage(record: BatchRecord, stage: Stage): void
  }
  /** Whether neighbours are merged although nothing of them goes. */
  readonly merges: boolean
}

interface Batch {
  readonly storageKey: Uint8Array
  readonly bytes: number
  readonly lastOffset: number
  readonly baseOffset: number
  readonly envelope: Envelope
  readonly stays: readonly BatchRecord[]
  readonly goes: readonly BatchRecord[]
}

/**
 * Takes records away from a partition, and merges what is left. Offsets stay, and what a batch covers is covered by one batch
 * afterwards, be it empty, so that nothing looks like an end or a loss.
 * @returns the bytes that are left; `undefined` when it was stopped
 */
export async function compactPartition(
  host: CompactionHost,
  topic: TopicState,
  partition: PartitionState,
  compaction: Compaction,
  stopped: () => boolean,
): Promise<number | undefined> {
  const { startOffset, endOffset } = partition.durable
  let group: Batch[] = []
  let kept = 0
  let covered = startOffset
  for (let from = startOffset; from < endOffset; ) {
    const batches = await readBatches(host, topic, partition.partition, compaction, from, endOffset)
    if (batches.length === 0) break
    for (const batch of batches) {
      if (stopped() || topic.deleted) return undefined
      if (batch.baseOffset < covered) throw overlap(topic, partition, batch, covered)
      covered = batch.lastOffset + 1
      if (isFull(group, batch)) {
        kept += await rewrite(host, topic, partition, compaction, group)
        group = []
      }
      group.push(batch)
    }
    from = batches.at(-1)!.lastOffset + 1
  }
  return kept + (await rewrite(host, topic, partition, compaction, group))
}

/** Merging would hide it: who verifies the log is told. */
const overlap = ({ config }: TopicState, { partition }: PartitionState, batch: Batch, covered: number): AegisError =>
  new AegisError(
    'BATCH_INVALID',
    `the batch of ${config.name}/${partition} that ends at ${batch.lastOffset} begins at ${batch.baseOffset}, and the one before it covers up to ${covered - 1}: verify the log`,
    { details: { topic: config.name, partition, offset: batch.baseOffset } },
  )

function isFull(group: readonly Batch[], next: Batch): boolean {
  if (group.length >= stepBatches || next.lastOffset - (group[0] ?? next).baseOffset > maxDifference) return true
  const left = group.reduce(
    (sum, { stays, goes, bytes }) => sum + (bytes * stays.length) / Math.max(1, stays.length + goes.length),
    0,
  )
  return left >= batchBytes
}

async function readBatches(
  { storage }: CompactionHost,
  topic: TopicState,
  partition: number,
  compaction: Compaction,
  from: number,
  end: number,
): Promise<Batch[]> {
  const { id } = topic.config
  const range = { gte: batchKey(id, partition, from), lt: batchKey(id, partition, end), chunkBytes }
  for await (const entries of storage.range(range)) {
    const decoded = entries.map(([key, stored]) => ({
      key,
      stored,
      envelope: readEnvelope(stored),
      batch: decodeRecordBatch(stored.subarray(envelopeBytes)),
    }))
    const going = await compaction.judge(
      decoded.flatMap(({ batch, envelope: { appendTime } }) => batch.records.map(record => ({ record, appendTime }))),
    )
    let at = 0
    return decoded.map(({ key, stored, envelope, batch }) => {
      const stays: BatchRecord[] = []
      const goes: BatchRecord[] = []
      for (const record of batch.records) (going[at++] === true ? goes : stays).push(record)
      const lastOffset = readU64(key, key.length - 8)
      return { storageKey: key, bytes: stored.length, lastOffset, baseOffset: batch.baseOffset, envelope, stays, goes }
    })
  }
  return []
}

/** Makes one batch of neighbours; returns the bytes that there are afterwards. */
async function rewrite(
  { sequencer }: CompactionHost,
  topic: TopicState,
  partition: PartitionState,
  { taken, merges }: Compaction,
  group: readonly Batch[],
): Promise<number> {
  const bytes = group.reduce((sum, batch) => sum + batch.bytes, 0)
  const gone = group.flatMap(({ goes }) => goes)
  if (gone.length === 0 && !(merges && group.length > 1)) return bytes
  const last = group.at(-1)!
  const stored = merged(group)
  await sequencer.submit({
    reads: taken === undefined ? [] : gone.flatMap(record => taken.reads(record)),
    decide: stage => {
      if (topic.deleted) return
      for (const { storageKey } of group) stage.delete(storageKey)
      stage.put(last.storageKey, stored)
      if (taken !== undefined) for (const record of gone) taken.stage(record, stage)
      stage.change(topic, partition, figures => ({
        bytes: figures.bytes - bytes + stored.length,
        compacted: figures.compacted + gone.length,
        batches: figures.batches - group.length + 1,
      }))
    },
    // What is in memory still has what is gone.
    committed: () => forgetTail(partition, last.lastOffset),
  })
  return stored.length
}

/** What stays of neighbours, as it is stored. */
function merged(group: readonly Batch[]): Uint8Array {
  const [first, last] = [group[0]!, group.at(-1)!]
  const { baseOffset } = first
  const records = group.flatMap(({ stays }) => stays)
  const batch =
    records.length === 0
      ? new BatchWriter({ baseOffset, firstTimestamp: 0 }).finish()
      : encodeRecordBatch(records, { baseOffset })
  coverUpTo(batch, last.lastOffset)
  const stored = Buffer.allocUnsafe(envelopeBytes + batch.length)
  stored.set(batch, envelopeBytes)
  const { previousEnd, ordinal } = first.envelope
  const { appendTime, commit } = last.envelope
  const ascii = group.every(({ envelope }) => envelope.ascii)
  writeEnvelope(stored, { previousEnd, ordinal, appendTime, commit, ascii })
  return stored
}
