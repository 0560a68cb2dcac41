import { isUtf8 } from 'node:buffer'
import { AegisError } from '@aegis/storage'
import { crc32c } from '@node-rs/crc32'
import type { Header } from './log.ts'

/** A record as a batch holds it. */
export interface BatchRecord {
  readonly offset: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  /** `null` is a tombstone. */
  readonly value: Uint8Array | null
  /** In the order they were given; a key may occur more than once. */
  readonly headers: readonly Header[]
}

/** A record to be encoded. */
export interface BatchRecordInput {
  readonly key?: Uint8Array | null | undefined
  readonly value: Uint8Array | null
  readonly headers?: readonly Header[] | undefined
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  /** Default: the base offset and the record's place in the batch. Offsets rise strictly and may leave gaps. */
  readonly offset?: number | undefined
}

/** What belongs to a batch as a whole. */
export interface RecordBatchOptions {
  readonly baseOffset: number
  /** Default -1: none. */
  readonly producerId?: number | undefined
  /** Default -1: none. */
  readonly producerEpoch?: number | undefined
  /** Default -1: none. */
  readonly baseSequence?: number | undefined
}

/** A decoded batch. */
export interface RecordBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  readonly count: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  /** Made on first access. Keys and values are views of the bytes that were decoded, not copies. */
  readonly records: readonly BatchRecord[]
}

// The layout of Apache Kafka's RecordBatch v2: where each field starts.
const At = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  firstTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
  records: 61,
} as const

const compressionMask = 0x07
const logAppendTime = 0x08
const control = 0x20
const maxInt32 = 0x7fffffff
// Length, attributes, both deltas, key length, value length, header count: a byte each at least.
const smallestRecord = 7
const smallestHeader = 2
const noHeaders: readonly Header[] = Object.freeze([])

const invalid = (what: string): AegisError => new AegisError('BATCH_INVALID', what)
const refused = (what: string): AegisError => new AegisError('LOG_INVALID', what)

const zigzag = (value: number): number => ((value << 1) ^ (value >> 31)) >>> 0
const zigzagLong = (value: bigint): bigint => BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
const fitsInt32 = (value: number): boolean => value === (value | 0)

function sizeOfVarint(value: number): number {
  const bits = zigzag(value)
  return bits < 0x80 ? 1 : bits < 0x4000 ? 2 : bits < 0x200000 ? 3 : bits < 0x10000000 ? 4 : 5
}

function sizeOfTimestampDelta(timestamp: number, first: number): number {
  if (fitsInt32(timestamp - first)) return sizeOfVarint(timestamp - first)
  let size = 1
  for (let bits = zigzagLong(BigInt(timestamp) - BigInt(first)); bits >= 0x80n; bits >>= 7n) size++
  return size
}

const sizeOfBytes = (bytes: Uint8Array | null): number =>
  bytes === null ? 1 : sizeOfVarint(bytes.length) + bytes.length

function sizeOfHeaders(headers: readonly Header[]): number {
  let size = sizeOfVarint(headers.length)
  for (const { key, value } of headers) {
    // A lone surrogate would come back as another character.
    if (typeof key !== 'string' || !key.isWellFormed()) {
      throw refused(`header key ${JSON.stringify(key)} is not a well-formed text`)
    }
    const keySize = Buffer.byteLength(key)
    size += sizeOfVarint(keySize) + keySize + sizeOfBytes(value)
  }
  return size
}

class Writer {
  readonly buffer: Buffer
  at: number = At.records

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size)
  }

  int64(value: number, at: number): void {
    this.buffer.writeInt32BE(Math.floor(value / 0x100000000), at)
    this.buffer.writeUInt32BE(value >>> 0, at + 4)
  }

  varint(value: number): void {
    let bits = zigzag(value)
    for (; bits >= 0x80; bits >>>= 7) this.buffer[this.at++] = (bits & 0x7f) | 0x80
    this.buffer[this.at++] = bits
  }

  timestampDelta(timestamp: number, first: number): void {
    if (fitsInt32(timestamp - first)) {
      this.varint(timestamp - first)
      return
    }
    let bits = zigzagLong(BigInt(timestamp) - BigInt(first))
    for (; bits >= 0x80n; bits >>= 7n) this.buffer[this.at++] = Number(bits & 0x7fn) | 0x80
    this.buffer[this.at++] = Number(bits)
  }

  bytes(bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.varint(-1)
      return
    }
    this.varint(bytes.length)
    const { length } = bytes
    // `set` has a fixed cost that is higher than copying a few bytes.
    if (length > 24) this.buffer.set(bytes, this.at)
    else for (let i = 0; i < length; i++) this.buffer[this.at + i] = bytes[i]!
    this.at += length
  }

  text(text: string): void {
    const length = Buffer.byteLength(text)
    this.varint(length)
    this.buffer.write(text, this.at, length, 'utf8')
    this.at += length
  }
}

const checkedInteger = (name: string, value: number, low: number, high: number): void => {
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    throw refused(`${name} is ${value}: give a whole number from ${low} to ${high}`)
  }
}

/**
 * The records as one Apache Kafka RecordBatch v2, uncompressed. Throws `LOG_INVALID` for what such a batch cannot hold.
 */
export function encodeRecordBatch(records: readonly BatchRecordInput[], options: RecordBatchOptions): Uint8Array {
  const { baseOffset, producerId = -1, producerEpoch = -1, baseSequence = -1 } = options
  checkedInteger('baseOffset', baseOffset, 0, Number.MAX_SAFE_INTEGER)
  checkedInteger('producerId', producerId, -1, Number.MAX_SAFE_INTEGER)
  checkedInteger('producerEpoch', producerEpoch, -1, 0x7fff)
  checkedInteger('baseSequence', baseSequence, -1, maxInt32)
  if (records.length === 0) throw refused('a batch has at least one record')

  const firstTimestamp = records[0]!.timestamp
  let maxTimestamp = firstTimestamp
  let lastDelta = -1
  let total: number = At.records
  const sizes = new Array<number>(records.length)
  for (let i = 0; i < records.length; i++) {
    const { key = null, value, headers = noHeaders, timestamp, offset = baseOffset + i } = records[i]!
    if (!Number.isSafeInteger(timestamp)) {
      throw refused(`timestamp of record ${i} is ${timestamp}: give whole milliseconds`)
    }
    const delta = offset - baseOffset
    if (!Number.isSafeInteger(offset) || delta <= lastDelta || delta > maxInt32) {
      throw refused(
        `offset of record ${i} is ${offset}: offsets rise strictly and are within ${maxInt32} of ${baseOffset}`,
      )
    }
    lastDelta = delta
    if (timestamp > maxTimestamp) maxTimestamp = timestamp
    const size =
      1 +
      sizeOfTimestampDelta(timestamp, firstTimestamp) +
      sizeOfVarint(delta) +
      sizeOfBytes(key) +
      sizeOfBytes(value) +
      sizeOfHeaders(headers)
    total += sizeOfVarint(size) + size
    if (total > maxInt32) throw refused(`the batch is larger than ${maxInt32} bytes`)
    sizes[i] = size
  }

  const writer = new Writer(total)
  const { buffer } = writer
  writer.int64(baseOffset, At.baseOffset)
  buffer.writeInt32BE(total - At.partitionLeaderEpoch, At.batchLength)
  buffer.writeInt32BE(-1, At.partitionLeaderEpoch)
  buffer[At.magic] = 2
  buffer.writeInt16BE(0, At.attributes)
  buffer.writeInt32BE(lastDelta, At.lastOffsetDelta)
  writer.int64(firstTimestamp, At.firstTimestamp)
  writer.int64(maxTimestamp, At.maxTimestamp)
  writer.int64(producerId, At.producerId)
  buffer.writeInt16BE(producerEpoch, At.producerEpoch)
  buffer.writeInt32BE(baseSequence, At.baseSequence)
  buffer.writeInt32BE(records.length, At.count)
  for (let i = 0; i < records.length; i++) {
    const { key = null, value, headers = noHeaders, timestamp, offset = baseOffset + i } = records[i]!
    writer.varint(sizes[i]!)
    buffer[writer.at++] = 0
    writer.timestampDelta(timestamp, firstTimestamp)
    writer.varint(offset - baseOffset)
    writer.bytes(key)
    writer.bytes(value)
    writer.varint(headers.length)
    for (const header of headers) {
      writer.text(header.key)
      writer.bytes(header.value)
    }
  }
  buffer.writeUInt32BE(crc32c(buffer.subarray(At.attributes)), At.crc)
  return buffer
}

class Reader {
  readonly buffer: Buffer
  at: number = At.records
  /** No read goes past it: the end of the bytes, or of the record that is being read. */
  end: number

  constructor(buffer: Buffer) {
    this.buffer = buffer
    this.end = buffer.length
  }

  int64(at: number, name: string): number {
    const value = this.buffer.readInt32BE(at) * 0x100000000 + this.buffer.readUInt32BE(at + 4)
    if (!Number.isSafeInteger(value)) throw invalid(`${name} is beyond 2^53`)
    return value
  }

  byte(name: string): number {
    if (this.at >= this.end) throw invalid(`${name} goes past the end`)
    return this.buffer[this.at++]!
  }

  varint(name: string): number {
    let byte = this.byte(name)
    let bits = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = this.byte(name)
      if (shift === 28 && byte > 0x0f) throw invalid(`${name} is longer than 32 bits`)
      bits |= (byte & 0x7f) << shift
    }
    return (bits >>> 1) ^ -(bits & 1)
  }

  timestamp(first: number): number {
    const start = this.at
    let length = 1
    while (this.byte('timestamp delta') >= 0x80) {
      if (++length > 10) throw invalid('timestamp delta is longer than 64 bits')
    }
    let timestamp: number
    if (length <= 4) {
      this.at = start
      timestamp = first + this.varint('timestamp delta')
    } else {
      let bits = 0n
      for (let i = this.at - 1; i >= start; i--) bits = (bits << 7n) | BigInt(this.buffer[i]! & 0x7f)
      if (bits > 0xffffffffffffffffn) throw invalid('timestamp delta is longer than 64 bits')
      timestamp = Number(BigInt(first) + ((bits >> 1n) ^ -(bits & 1n)))
    }
    if (!Number.isSafeInteger(timestamp)) throw invalid('timestamp is beyond 2^53')
    return timestamp
  }

  /** A length that lies within what is left; -1 only where a null may stand. */
  length(name: string, nullable: boolean): number {
    const length = this.varint(name)
    if (length < (nullable ? -1 : 0)) throw invalid(`${name} is negative`)
    if (length > this.end - this.at) throw invalid(`${name} goes past the end`)
    return length
  }

  view(length: number): Uint8Array | null {
    if (length < 0) return null
    const view = new Uint8Array(this.buffer.buffer, this.buffer.byteOffset + this.at, length)
    this.at += length
    return view
  }

  /** Goes over a header key without making a text of it, unless it is to be `made`. */
  text(length: number, made: boolean): string {
    const start = this.at
    const end = (this.at += length)
    if (made) return this.buffer.toString('utf8', start, end)
    for (let i = start; i < end; i++) {
      if (this.buffer[i]! < 0x80) continue
      if (!isUtf8(this.buffer.subarray(i, end))) throw invalid('header key is not UTF-8')
      break
    }
    return ''
  }
}

class Decoded implements RecordBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  readonly count: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly #buffer: Buffer
  #records: readonly BatchRecord[] | undefined

  constructor(buffer: Buffer) {
    if (buffer.length < At.records) throw invalid(`truncated: ${buffer.length} bytes, at least ${At.records} needed`)
    const batchLength = buffer.readInt32BE(At.batchLength)
    const length = batchLength + At.partitionLeaderEpoch
    if (length < At.records) throw invalid(`batch length is ${batchLength}: too small`)
    if (length > buffer.length) throw invalid(`truncated: ${buffer.length} of ${length} bytes`)
    if (length < buffer.length) throw invalid(`${buffer.length - length} trailing bytes`)
    if (buffer[At.magic] !== 2) throw invalid(`magic is ${buffer[At.magic]}, not 2`)
    const crc = buffer.readUInt32BE(At.crc)
    const actual = crc32c(buffer.subarray(At.attributes))
    if (crc !== actual) throw invalid(`crc is ${actual.toString(16)}, not ${crc.toString(16)}`)
    const attributes = buffer.readInt16BE(At.attributes)
    if ((attributes & compressionMask) !== 0) throw invalid(`compressed: attributes are ${attributes}`)
    if ((attributes & control) !== 0) throw invalid(`a control batch: attributes are ${attributes}`)

    const reader = new Reader(buffer)
    this.#buffer = buffer
    this.baseOffset = reader.int64(At.baseOffset, 'base offset')
    const lastOffsetDelta = buffer.readInt32BE(At.lastOffsetDelta)
    this.lastOffset = this.baseOffset + lastOffsetDelta
    if (this.baseOffset < 0) throw invalid('base offset is negative')
    if (lastOffsetDelta < 0) throw invalid('last offset delta is negative')
    if (!Number.isSafeInteger(this.lastOffset)) throw invalid('last offset is beyond 2^53')
    this.firstTimestamp = reader.int64(At.firstTimestamp, 'first timestamp')
    this.maxTimestamp = reader.int64(At.maxTimestamp, 'max timestamp')
    this.producerId = reader.int64(At.producerId, 'producer id')
    this.producerEpoch = buffer.readInt16BE(At.producerEpoch)
    this.baseSequence = buffer.readInt32BE(At.baseSequence)
    this.count = buffer.readInt32BE(At.count)
    if (this.count < 0) throw invalid('record count is negative')
    if (this.count * smallestRecord > buffer.length - At.records) {
      throw invalid(`${this.count} records do not fit into ${buffer.length - At.records} bytes`)
    }
    this.#walk(undefined)
  }

  get records(): readonly BatchRecord[] {
    if (this.#records === undefined) {
      const records: BatchRecord[] = []
      this.#walk(records)
      this.#records = records
    }
    return this.#records
  }

  /** Reads all records; without `into` only checks them. One code for both, so that the two cannot disagree. */
  #walk(into: BatchRecord[] | undefined): void {
    const reader = new Reader(this.#buffer)
    const made = into !== undefined
    const lastOffsetDelta = this.lastOffset - this.baseOffset
    const appendTime = (this.#buffer.readInt16BE(At.attributes) & logAppendTime) !== 0
    let previous = -1
    for (let i = 0; i < this.count; i++) {
      reader.end = this.#buffer.length
      const size = reader.length('record length', false)
      const end = (reader.end = reader.at + size)
      reader.byte('record attributes')
      const created = reader.timestamp(this.firstTimestamp)
      const delta = reader.varint('offset delta')
      if (delta <= previous || delta > lastOffsetDelta) {
        throw invalid(`offset delta ${delta} of record ${i} is out of order`)
      }
      previous = delta
      const keyLength = reader.length('key length', true)
      const key = made ? reader.view(keyLength) : skip(reader, keyLength)
      const valueLength = reader.length('value length', true)
      const value = made ? reader.view(valueLength) : skip(reader, valueLength)
      const headerCount = reader.varint('header count')
      if (headerCount < 0) throw invalid('header count is negative')
      if (headerCount * smallestHeader > end - reader.at) {
        throw invalid(`${headerCount} headers do not fit into record ${i}`)
      }
      const headers: Header[] | undefined = made && headerCount > 0 ? [] : undefined
      for (let j = 0; j < headerCount; j++) {
        const name = reader.text(reader.length('header key length', false), made)
        const length = reader.length('header value length', true)
        if (made) headers!.push({ key: name, value: reader.view(length) })
        else skip(reader, length)
      }
      if (reader.at !== end) throw invalid(`record ${i} has ${end - reader.at} trailing bytes`)
      into?.push({
        offset: this.baseOffset + delta,
        timestamp: appendTime ? this.maxTimestamp : created,
        key,
        value,
        headers: headers ?? noHeaders,
      })
    }
    const trailing = this.#buffer.length - reader.at
    if (trailing !== 0) throw invalid(`${trailing} trailing bytes after the last record`)
  }
}

function skip(reader: Reader, length: number): null {
  if (length > 0) reader.at += length
  return null
}

/**
 * Reads one Apache Kafka RecordBatch v2, which fills `bytes` exactly. Everything is checked here, so `records` of the
 * result cannot fail while the bytes stay as they are. Throws `BATCH_INVALID` for what is truncated, damaged, compressed or a control batch.
 */
export function decodeRecordBatch(bytes: Uint8Array): RecordBatch {
  return new Decoded(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}
