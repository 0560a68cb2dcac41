import { isUtf8 } from 'node:buffer'
import { crc32c } from '@node-rs/crc32'
import type { Header } from '../log.ts'
import {
  At,
  type BatchRecord,
  compressionMask,
  control,
  invalid,
  logAppendTime,
  noHeaders,
  type RecordBatch,
  smallestHeader,
  smallestRecord,
} from './layout.ts'

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
