import { AegisError, type StorageReader } from '@aegis/storage'
import { decodeRecordBatch } from '../batch/decode.ts'
import type { BatchRecord } from '../batch/layout.ts'
import { batchKey, partitionKey, readU64 } from '../keys.ts'
import { decodeFigures, emptyFigures } from './partition-state.ts'
import { envelopeBytes, readEnvelope, storedCount } from './stored-batch.ts'
import type { TopicConfig } from './topic-state.ts'
import type { Findings, LogProblem } from './verify-report.ts'

export interface PartitionCheck {
  readonly reader: StorageReader
  readonly topic: TopicConfig
  readonly partition: number
  readonly findings: Findings
  readonly signal: AbortSignal | undefined
  /** Called with the records of each batch that can be read. */
  onBatch(records: readonly BatchRecord[], bytes: number): Promise<void>
}

/**
 * Whether every batch of a partition can be read, follows the one before it, and all of them are what the partition's
 * figures say.
 */
export async function verifyPartition(check: PartitionCheck): Promise<void> {
  const { reader, topic, partition, findings, signal } = check
  const problem = (reason: string, more: Partial<LogProblem> = {}): void =>
    findings.add({ topic: topic.name, partition, ...more, reason })
  const row = await reader.get(partitionKey(topic.id, partition))
  const figures = row === undefined ? emptyFigures : decodeFigures(row)
  let end = figures.startOffset
  let ordinal = figures.startOrdinal
  let [bytes, appendTime, commit, batches] = [0, 0, 0, 0]
  const range = { gte: batchKey(topic.id, partition, 0), lte: batchKey(topic.id, partition, Number.MAX_SAFE_INTEGER) }
  for await (const entries of reader.range(range)) {
    signal?.throwIfAborted()
    for (const [key, stored] of entries) {
      const lastOffset = readU64(key, key.length - 8)
      const at = { offset: lastOffset }
      const envelope = readEnvelope(stored)
      const { previousEnd } = envelope
      // The first batch may begin before what retention has left.
      if (previousEnd > end) problem(`the records from ${end} to ${previousEnd} are missing`, at)
      else if (previousEnd < end && batches > 0) problem(`the batch follows ${previousEnd}, and not ${end}`, at)
      if (envelope.ordinal > ordinal && batches === 0) problem('records before the first batch are missing', at)
      if (envelope.ordinal < ordinal && batches > 0) problem('records are counted twice', at)
      if (envelope.appendTime < appendTime) problem('the append time falls', at)
      if (envelope.commit < commit || envelope.commit > figures.commit) problem('the commit number does not fit', at)
      const records = decoded(stored, problem, at)
      if (records.length !== storedCount(stored)) problem('the number of records does not fit', at)
      let from = previousEnd
      for (const { offset } of records) {
        if (offset < from || offset > lastOffset) problem(`offset ${offset} is not of its batch`, at)
        from = offset + 1
      }
      await check.onBatch(records, stored.length)
      ;({ appendTime, commit } = envelope)
      end = lastOffset + 1
      ordinal = envelope.ordinal + storedCount(stored)
      bytes += stored.length
      batches++
      findings.batches++
      findings.records += records.length
    }
  }
  if (end < figures.endOffset) problem(`the records from ${end} to ${figures.endOffset} are missing`)
  if (end > figures.endOffset) problem(`there are records up to ${end}, and the partition ends at ${figures.endOffset}`)
  if (ordinal > figures.endOrdinal) problem(`there are more records than the ${figures.endOrdinal} that were counted`)
  if (bytes !== figures.bytes) problem(`the batches have ${bytes} bytes, counted were ${figures.bytes}`)
}

function decoded(
  stored: Uint8Array,
  problem: (reason: string, at: Partial<LogProblem>) => void,
  at: Partial<LogProblem>,
): readonly BatchRecord[] {
  try {
    return decodeRecordBatch(stored.subarray(envelopeBytes)).records
  } catch (error) {
    if (!AegisError.is(error)) throw error
    problem(error.message, at)
    return []
  }
}
