import { readU64, writeU64 } from '../../keys.ts'

/**
 * What is stored of a key of a history topic under one storage key, so that a short history is one read: how many records
 * there were, which pages hold the older ones, and the newest ones themselves.
 */
export interface HistoryHead {
  /** The version that the next record gets. Never falls. */
  readonly count: number
  /** Records below it were truncated. */
  readonly start: number
  /** Oldest first, without a gap up to `newestFirst`. */
  readonly pages: readonly Page[]
  /** Version of the first of the newest records. */
  readonly newestFirst: number
  /** The newest records, one after the other. */
  readonly newest: Uint8Array
}

/** Records of a key that were moved to a storage key of their own, named by the last of them. */
export interface Page {
  readonly first: number
  readonly last: number
  readonly bytes: number
}

const fixed = 28
const pageEntry = 8

export const emptyHead: HistoryHead = { count: 0, start: 0, pages: [], newestFirst: 0, newest: new Uint8Array() }

/** The count alone, which is all that most decisions need. */
export const countOf = (stored: Uint8Array): number => readU64(stored, 0)

/** Below which version the records were truncated. */
export const startOf = (stored: Uint8Array): number => readU64(stored, 8)

export function encodeHead({ count, start, pages, newestFirst, newest }: HistoryHead): Uint8Array {
  const listed = fixed + pages.length * pageEntry
  const out = Buffer.allocUnsafe(listed + newest.length)
  writeU64(out, count, 0)
  writeU64(out, start, 8)
  writeU64(out, newestFirst, 16)
  out.writeUInt32BE(pages.length, 24)
  for (const [n, { first, last, bytes }] of pages.entries()) {
    out.writeUInt32BE(last - first + 1, fixed + n * pageEntry)
    out.writeUInt32BE(bytes, fixed + n * pageEntry + 4)
  }
  out.set(newest, listed)
  return out
}

export function decodeHead(stored: Uint8Array): HistoryHead {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length)
  const newestFirst = readU64(bytes, 16)
  const length = bytes.readUInt32BE(24)
  const pages: Page[] = []
  let end = newestFirst
  for (let n = length - 1; n >= 0; n--) {
    const at = fixed + n * pageEntry
    const first = end - bytes.readUInt32BE(at)
    pages.push({ first, last: end - 1, bytes: bytes.readUInt32BE(at + 4) })
    end = first
  }
  pages.reverse()
  const newest = bytes.subarray(fixed + length * pageEntry)
  return { count: readU64(bytes, 0), start: readU64(bytes, 8), pages, newestFirst, newest }
}
