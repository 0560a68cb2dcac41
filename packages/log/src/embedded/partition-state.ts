import { readU64, writeU64 } from '../keys.ts'
import type { PartitionDescription } from '../log.ts'
import type { TailBatch } from './tail.ts'

/** What is known of a partition without reading its batches; one stored row, rewritten in each commit that changes it. */
export interface PartitionFigures {
  /** Everything below it is gone. */
  readonly startOffset: number
  /** After the newest record; 0 when there never was one. */
  readonly endOffset: number
  /** Ordinal of the first record that is there: how many records of the partition have gone. */
  readonly startOrdinal: number
  /** How many records the partition ever had. */
  readonly endOrdinal: number
  /** Bytes of the stored batches. */
  readonly bytes: number
  readonly newestTimestamp: number
  /** When the newest batch was appended. Never falls, so that a time can be searched by halving. */
  readonly appendTime: number
  /** Number of the commit that wrote the row. */
  readonly commit: number
  readonly batches: number
  /** Of the records between the two ordinals, how many compaction has taken away. */
  readonly compacted: number
  /** Bytes that the last compaction left. */
  readonly compactedBytes: number
  /** How many records of the topic's histories were truncated and not yet taken out of its feed. */
  readonly truncated: number
}

const fields = [
  'startOffset',
  'endOffset',
  'startOrdinal',
  'endOrdinal',
  'bytes',
  'newestTimestamp',
  'appendTime',
  'commit',
  'batches',
  'compacted',
  'compactedBytes',
  'truncated',
] as const

export const emptyFigures: PartitionFigures = {
  startOffset: 0,
  endOffset: 0,
  startOrdinal: 0,
  endOrdinal: 0,
  bytes: 0,
  newestTimestamp: 0,
  appendTime: 0,
  commit: 0,
  batches: 0,
  compacted: 0,
  compactedBytes: 0,
  truncated: 0,
}

export function encodeFigures(figures: PartitionFigures): Uint8Array {
  const row = Buffer.allocUnsafe(8 * fields.length)
  fields.forEach((field, at) => {
    // The one figure that may be below zero.
    if (field === 'newestTimestamp') row.writeDoubleBE(figures[field], 8 * at)
    else writeU64(row, figures[field], 8 * at)
  })
  return row
}

export function decodeFigures(row: Uint8Array): PartitionFigures {
  const view = new DataView(row.buffer, row.byteOffset, row.length)
  return {
    startOffset: readU64(row, 0),
    endOffset: readU64(row, 8),
    startOrdinal: readU64(row, 16),
    endOrdinal: readU64(row, 24),
    bytes: readU64(row, 32),
    newestTimestamp: view.getFloat64(40),
    appendTime: readU64(row, 48),
    commit: readU64(row, 56),
    batches: readU64(row, 64),
    compacted: readU64(row, 72),
    compactedBytes: readU64(row, 80),
    // Rows that were written before there was such a figure end here.
    truncated: row.length > 88 ? readU64(row, 88) : 0,
  }
}

/** A partition while the log is open. */
export class PartitionState {
  readonly partition: number
  /** With everything that was decided, durable or not yet. */
  decided: PartitionFigures
  /** What readers may see. */
  durable: PartitionFigures
  /** The newest batches without a gap, oldest first. */
  readonly tail: TailBatch[] = []
  /** Bytes that the next batch is likely to need. */
  batchSize = 512

  constructor(partition: number, figures: PartitionFigures = emptyFigures) {
    this.partition = partition
    this.decided = figures
    this.durable = figures
  }

  describe(): PartitionDescription {
    const { startOffset, endOffset, startOrdinal, endOrdinal, compacted, bytes, batches, newestTimestamp } =
      this.durable
    return {
      partition: this.partition,
      startOffset,
      endOffset,
      records: endOrdinal - startOrdinal - compacted,
      bytes,
      batches,
      newestTimestamp: endOrdinal === 0 ? null : newestTimestamp,
    }
  }
}
