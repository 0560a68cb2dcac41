import { checksumBytes } from '@aegis/storage'
import { readU32, readU64, writeU64 } from '../../keys.ts'

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

/** How many pages are listed. */
const pagesOf = (stored: Uint8Array): number => readU32(stored, 24)

/** The newest records, one after the other. */
export const newestOf = (stored: Uint8Array): Uint8Array => stored.subarray(fixed + pagesOf(stored) * pageEntry)

/** Version of the first of the newest records. */
export const newestFirstOf = (stored: Uint8Array): number => readU64(stored, 16)

/** Whether so many pages at the end of the list are each smaller than that. */
export function endsWithSmallPages(stored: Uint8Array, count: number, bytes: number): boolean {
  const pages = pagesOf(stored)
  if (pages < count) return false
  for (let n = pages - count; n < pages; n++) if (readU32(stored, fixed + n * pageEntry + 4) >= bytes) return false
  return true
}

/**
 * A head is given to the storage (`Operation.given`) and kept in memory as it is: it lies in memory of its own, with room for the
 * checksum, so that nobody has to copy what each append rewrites.
 */
const allocate = (size: number): Buffer => Buffer.allocUnsafeSlow(size + checksumBytes).subarray(0, size)

/** What an append adds to a head, which it rewrites as bytes: decoding and encoding costs a list of the pages each time. */
export interface HeadAddition {
  /** So many records. */
  readonly count: number
  /** A page that holds what was newest before and perhaps more; what is newest then is `newest` alone. */
  readonly page?: Page
  readonly newest: readonly Uint8Array[]
}

export function addToHead(stored: Uint8Array | undefined, { count, page, newest }: HeadAddition): Uint8Array {
  const before = stored ?? empty
  const kept = page === undefined ? before.length : fixed + pagesOf(before) * pageEntry
  const listed = page === undefined ? kept : kept + pageEntry
  const out = allocate(newest.reduce((size, { length }) => size + length, listed))
  out.set(page === undefined ? before : before.subarray(0, kept))
  writeU64(out, countOf(before) + count, 0)
  if (page !== undefined) {
    writePage(out, page, kept)
    writeU64(out, page.last + 1, 16)
    out.writeUInt32BE(pagesOf(before) + 1, 24)
  }
  let at = listed
  for (const entry of newest) {
    out.set(entry, at)
    at += entry.length
  }
  return out
}

const empty = Buffer.alloc(fixed)

function writePage(out: Buffer, { first, last, bytes }: Page, at: number): void {
  out.writeUInt32BE(last - first + 1, at)
  out.writeUInt32BE(bytes, at + 4)
}

export function encodeHead({ count, start, pages, newestFirst, newest }: HistoryHead): Uint8Array {
  const listed = fixed + pages.length * pageEntry
  const out = allocate(listed + newest.length)
  writeU64(out, count, 0)
  writeU64(out, start, 8)
  writeU64(out, newestFirst, 16)
  out.writeUInt32BE(pages.length, 24)
  for (const [n, page] of pages.entries()) writePage(out, page, fixed + n * pageEntry)
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
