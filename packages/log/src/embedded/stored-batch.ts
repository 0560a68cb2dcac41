import { readU64, writeU64 } from '../keys.ts'

/** What precedes the RecordBatch bytes in a stored batch. */
export interface Envelope {
  /** The offset after the partition's previous record: a batch that was lost shows. 0 for the first. */
  readonly previousEnd: number
  readonly appendTime: number
  /** Number of the commit that wrote it. */
  readonly commit: number
  /** How many records the partition had before this batch. */
  readonly ordinal: number
  /** Whether all values are ASCII: then a reader makes their texts from one text of the whole batch. */
  readonly ascii: boolean
}

export const envelopeBytes = 33

export function writeEnvelope(into: Uint8Array, { previousEnd, appendTime, commit, ordinal, ascii }: Envelope): void {
  writeU64(into, previousEnd, 0)
  writeU64(into, appendTime, 8)
  writeU64(into, commit, 16)
  writeU64(into, ordinal, 24)
  into[32] = ascii ? 1 : 0
}

export const readEnvelope = (stored: Uint8Array): Envelope => ({
  previousEnd: readU64(stored, 0),
  appendTime: readU64(stored, 8),
  commit: readU64(stored, 16),
  ordinal: readU64(stored, 24),
  ascii: stored[32] === 1,
})

/** How many records a stored batch has, from its header alone. */
export const storedCount = (stored: Uint8Array): number =>
  new DataView(stored.buffer, stored.byteOffset, stored.length).getInt32(envelopeBytes + 57)
