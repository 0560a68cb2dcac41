import { At, invalid, noHeaders } from './batch/layout.ts'
import { readU64 } from './keys.ts'
import type { Header, LogRecord } from './log.ts'

/** The bytes of a stored batch, shared by its records. */
export class BatchSource {
  readonly bytes: Buffer
  readonly #ascii: boolean
  #text: string | undefined
  /** The key that was asked for last, and where it is: neighbours often have the same. */
  #keyAt = 0
  #keyLength = 0
  #key = ''

  constructor(bytes: Buffer, ascii: boolean) {
    this.bytes = bytes
    this.#ascii = ascii
  }

  /**
   * The text of some bytes. Where all values are ASCII, one text of the whole batch is made once and cut up, which costs a
   * fifth; the pieces keep it alive, so they are for being parsed, not for being kept.
   */
  text(start: number, end: number): string {
    if (!this.#ascii) return this.bytes.toString('utf8', start, end)
    this.#text ??= this.bytes.toString('latin1')
    return this.#text.slice(start, end)
  }

  /** The text of a key, to be kept. */
  key(start: number, length: number): string {
    if (length !== this.#keyLength || !this.#sameKey(start)) {
      this.#key = this.bytes.toString('utf8', start, start + length)
      this.#keyLength = length
    }
    this.#keyAt = start
    return this.#key
  }

  #sameKey(start: number): boolean {
    for (let i = this.#keyLength - 1; i >= 0; i--)
      if (this.bytes[start + i] !== this.bytes[this.#keyAt + i]) return false
    return true
  }

  view(start: number, length: number): Uint8Array | null {
    return length < 0 ? null : new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + start, length)
  }
}

/** The headers that begin at `start`. */
export function readHeaders(source: BatchSource, start: number): readonly Header[] {
  const { bytes } = source
  if (bytes[start] === 0) return noHeaders
  let at = start
  const next = (): number => {
    let byte = bytes[at++]!
    let bits = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = bytes[at++]!
      bits |= (byte & 0x7f) << shift
    }
    return (bits >>> 1) ^ -(bits & 1)
  }
  return Array.from({ length: next() }, () => {
    const keyLength = next()
    const key = bytes.toString('utf8', at, (at += keyLength))
    const length = next()
    const value = source.view(at, length)
    at += Math.max(0, length)
    return { key, value }
  })
}

/** A record that knows the texts of its key and value. */
export interface TextRecord {
  /** The value as UTF-8 text to be parsed at once; `undefined` for a tombstone. */
  valueText(): string | undefined
  /** The key as UTF-8 text; `null` without one. */
  keyText(): string | null
}

/** Bytes of UTF-8 as text. */
export const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')

export const hasText = (record: object): record is TextRecord => 'valueText' in record

/** A record that lies in a batch: key, value and headers are made when they are asked for, as views of its bytes. */
export class StoredRecord implements LogRecord, TextRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly #source: BatchSource
  readonly #key: number
  readonly #keyLength: number
  readonly #value: number
  readonly #valueLength: number

  constructor(
    topic: string,
    partition: number,
    offset: number,
    timestamp: number,
    source: BatchSource,
    key: number,
    keyLength: number,
    value: number,
    valueLength: number,
  ) {
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.timestamp = timestamp
    this.#source = source
    this.#key = key
    this.#keyLength = keyLength
    this.#value = value
    this.#valueLength = valueLength
  }

  get key(): Uint8Array | null {
    return this.#source.view(this.#key, this.#keyLength)
  }

  get value(): Uint8Array | null {
    return this.#source.view(this.#value, this.#valueLength)
  }

  keyText(): string | null {
    return this.#keyLength < 0 ? null : this.#source.key(this.#key, this.#keyLength)
  }

  get headers(): readonly Header[] {
    return readHeaders(this.#source, this.#value + Math.max(0, this.#valueLength))
  }

  valueText(): string | undefined {
    const start = this.#value
    return this.#valueLength < 0 ? undefined : this.#source.text(start, start + this.#valueLength)
  }
}

/** A record of a `'history'` topic. */
class VersionedRecord extends StoredRecord {
  readonly version: number
  readonly #inHeader: boolean

  constructor(
    topic: string,
    partition: number,
    offset: number,
    timestamp: number,
    source: BatchSource,
    key: number,
    keyLength: number,
    value: number,
    valueLength: number,
    version: number,
    inHeader: boolean,
  ) {
    super(topic, partition, offset, timestamp, source, key, keyLength, value, valueLength)
    this.version = version
    this.#inHeader = inHeader
  }

  override get headers(): readonly Header[] {
    return this.#inHeader ? super.headers.slice(0, -1) : super.headers
  }
}

/** The name of the last header of a record that carries its version, of 8 bytes. */
export const versionHeader = 'aegis-version'
const versionStart = Buffer.from(`\x1a${versionHeader}\x10`)

/** The version in the last header of a record that ends at `end`. */
function versionBefore(bytes: Buffer, end: number, topic: string, offset: number): number {
  const start = end - 8 - versionStart.length
  for (let i = 0; i < versionStart.length; i++) {
    if (bytes[start + i] !== versionStart[i])
      throw invalid(`the record at offset ${offset} of history topic ${topic} has no version`)
  }
  return readU64(bytes, end - 8)
}

/**
 * The records of a stored batch from an offset on, below `end`, appended to `into`. The bytes are trusted: storage has
 * checked them. On history topics the version of a record is in its last header (`'in-header'`), or follows from that of
 * the first one of the batch, which is given.
 */
export function readStoredRecords(
  topic: string,
  partition: number,
  bytes: Buffer,
  batchAt: number,
  ascii: boolean,
  from: number,
  end: number,
  into: LogRecord[],
  versions?: 'in-header' | number,
): void {
  const source = new BatchSource(bytes, ascii)
  const long = (at: number): number => bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
  const baseOffset = long(batchAt + At.baseOffset)
  const firstTimestamp = long(batchAt + At.firstTimestamp)
  const count = bytes.readInt32BE(batchAt + At.count)
  let at = batchAt + At.records
  // Written out and not shared with `decodeRecordBatch`: this is the path of every message that is read.
  const varint = (): number => {
    let byte = bytes[at++]!
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    let bits = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = bytes[at++]!
      bits |= (byte & 0x7f) << shift
    }
    return (bits >>> 1) ^ -(bits & 1)
  }
  for (let i = 0; i < count; i++) {
    const size = varint()
    const next = at + size
    at++
    const start = at
    let timestamp = varint()
    // A difference beyond 32 bits has more than four bytes as a rule.
    timestamp = at - start <= 4 ? firstTimestamp + timestamp : farTimestamp(bytes, start, at, firstTimestamp)
    const offset = baseOffset + varint()
    const keyLength = varint()
    const key = at
    if (keyLength > 0) at += keyLength
    const valueLength = varint()
    const value = at
    at = next
    if (offset < from) continue
    if (offset >= end) return
    if (versions === undefined) {
      into.push(new StoredRecord(topic, partition, offset, timestamp, source, key, keyLength, value, valueLength))
      continue
    }
    const inHeader = versions === 'in-header'
    const version = inHeader ? versionBefore(bytes, next, topic, offset) : versions + offset - baseOffset
    into.push(
      new VersionedRecord(
        topic,
        partition,
        offset,
        timestamp,
        source,
        key,
        keyLength,
        value,
        valueLength,
        version,
        inHeader,
      ),
    )
  }
  if (at !== bytes.length)
    throw invalid(`a stored batch of ${topic}/${partition} ends at ${at} of ${bytes.length} bytes`)
}

function farTimestamp(bytes: Buffer, start: number, end: number, first: number): number {
  let bits = 0n
  for (let i = end - 1; i >= start; i--) bits = (bits << 7n) | BigInt(bytes[i]! & 0x7f)
  return Number(BigInt(first) + ((bits >> 1n) ^ -(bits & 1n)))
}
