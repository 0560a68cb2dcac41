import { crc32c } from '@node-rs/crc32'

/**
 * LevelDB's log format: 32 KB blocks of physical records (masked CRC-32C, length, type), one or more to a logical record.
 * Source: leveldb doc/log_format.md. Manifests have it too.
 */
const blockBytes = 32 * 1024
const headerBytes = 7
const full = 1
const first = 2
const last = 4

export interface LogicalRecord {
  readonly offset: number
  readonly data: Buffer
}

export interface Damage {
  readonly offset: number
  /** Whether a readable record begins behind it: then it is a hole, not the torn end of a write. */
  readonly followed: boolean
}

/** The records up to the end or the first damage. A cut-off end is damage too. */
export function readRecords(file: Buffer): { records: LogicalRecord[]; damage?: Damage } {
  const records: LogicalRecord[] = []
  let parts: Buffer[] = []
  let start = 0
  for (let at = skipTrailer(0); at < file.length; at = skipTrailer(at)) {
    const record = physicalRecord(file, at)
    const begins = record?.type === full || record?.type === first
    if (record === undefined || begins !== (parts.length === 0)) {
      return { records, damage: damageAt(file, parts.length > 0 ? start : at, at) }
    }
    if (begins) start = at
    parts.push(record.data)
    at = record.end
    if (record.type === full || record.type === last) {
      records.push({ offset: start, data: parts.length === 1 ? parts[0]! : Buffer.concat(parts) })
      parts = []
    }
  }
  return parts.length === 0 ? { records } : { records, damage: { offset: start, followed: false } }
}

/** A header never begins in the last six bytes of a block. */
function skipTrailer(at: number): number {
  const left = blockBytes - (at % blockBytes)
  return left < headerBytes ? at + left : at
}

function physicalRecord(file: Buffer, at: number) {
  if (at + headerBytes > file.length) return undefined
  const end = at + headerBytes + file.readUInt16LE(at + 4)
  const type = file[at + 6]!
  if (type < full || type > last || end > file.length || end > at - (at % blockBytes) + blockBytes) return undefined
  if (maskedChecksum(file.subarray(at + 6, end)) !== file.readUInt32LE(at)) return undefined
  return { type, end, data: file.subarray(at + headerBytes, end) }
}

/** LevelDB's checksum. Source: leveldb util/crc32c.h, Mask. */
export function maskedChecksum(bytes: Uint8Array): number {
  const checksum = crc32c(bytes)
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0
}

function damageAt(file: Buffer, offset: number, at: number): Damage {
  const nextBlock = (from: number) => from - (from % blockBytes) + blockBytes
  // The length of the damaged record may be right; else reading begins anew at the next block.
  const claimedEnd = at + headerBytes <= file.length ? at + headerBytes + file.readUInt16LE(at + 4) : file.length
  let from = Math.min(claimedEnd, nextBlock(at))
  if (begunRecord(file, from)) return { offset, followed: true }
  for (from = nextBlock(at); from < file.length; from += blockBytes) {
    if (begunRecord(file, from)) return { offset, followed: true }
  }
  return { offset, followed: false }
}

/** Whether a logical record begins among the readable records from here to the end of the block. */
function begunRecord(file: Buffer, from: number): boolean {
  const block = Math.floor(from / blockBytes)
  for (let at = skipTrailer(from); at < file.length && Math.floor(at / blockBytes) === block; at = skipTrailer(at)) {
    const record = physicalRecord(file, at)
    if (record === undefined) return false
    if (record.type === full || record.type === first) return true
    at = record.end
  }
  return false
}
