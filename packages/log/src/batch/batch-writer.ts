import { crc32c } from '@node-rs/crc32'
import type { Header } from '../log.ts'
import { At, maxInt32, refused } from './layout.ts'
import { sizeOfDifference, sizeOfVarint, writeDifference, writeVarint } from './varint.ts'

export interface BatchWriterOptions {
  readonly baseOffset: number
  readonly firstTimestamp: number
  /** Bytes left free before the batch. Default 0. */
  readonly reserved?: number
  /** How large the batch may become before its buffer has to grow. */
  readonly capacity?: number
}

export interface Producer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

const noProducer: Producer = { producerId: -1, producerEpoch: -1, baseSequence: -1 }

export function writeInt64(buffer: Buffer, value: number, at: number): void {
  buffer.writeInt32BE(Math.floor(value / 0x100000000), at)
  buffer.writeUInt32BE(value >>> 0, at + 4)
}

/** Throws `LOG_INVALID` for header keys that a batch cannot hold. */
export function sizeOfHeaders(headers: readonly Header[]): number {
  let size = sizeOfVarint(headers.length)
  for (const { key, value } of headers) {
    // A lone surrogate would come back as another character.
    if (typeof key !== 'string' || !key.isWellFormed()) {
      throw refused(`header key ${JSON.stringify(key)} is not a well-formed text`)
    }
    const keySize = Buffer.byteLength(key)
    size += sizeOfVarint(keySize) + keySize + (value === null ? 1 : sizeOfVarint(value.length) + value.length)
  }
  return size
}

function writeBytes(buffer: Buffer, bytes: Uint8Array | null, at: number): number {
  if (bytes === null) return writeVarint(buffer, -1, at)
  const { length } = bytes
  const start = writeVarint(buffer, length, at)
  // `set` has a fixed cost that is higher than copying a few bytes.
  if (length > 24) buffer.set(bytes, start)
  else for (let i = 0; i < length; i++) buffer[start + i] = bytes[i]!
  return start + length
}

/**
 * Writes records straight into the bytes of one RecordBatch v2: no object is made for a record, nothing is copied twice.
 * Who appends has checked: offsets rise, are within 2^31 of the first, timestamps are whole.
 */
export class BatchWriter {
  readonly baseOffset: number
  readonly firstTimestamp: number
  count = 0
  lastOffset = -1
  lastTimestamp = 0
  /** Whether all values were texts of ASCII characters, or null. */
  ascii = true
  readonly #reserved: number
  #maxTimestamp: number
  #buffer: Buffer
  #at: number

  constructor({ baseOffset, firstTimestamp, reserved = 0, capacity = 1_024 }: BatchWriterOptions) {
    this.baseOffset = baseOffset
    this.firstTimestamp = firstTimestamp
    this.#maxTimestamp = firstTimestamp
    this.#reserved = reserved
    this.#at = reserved + At.records
    this.#buffer = Buffer.allocUnsafe(this.#at + capacity)
  }

  /** Bytes so far, with what is reserved before the batch. */
  get length(): number {
    return this.#at
  }

  /** A text is written as UTF-8. */
  append(
    offset: number,
    timestamp: number,
    key: Uint8Array | string | null,
    value: Uint8Array | string | null,
    headers: readonly Header[],
  ): void {
    const delta = offset - this.baseOffset
    const first = this.firstTimestamp
    const keyLength = key === null ? -1 : typeof key === 'string' ? Buffer.byteLength(key) : key.length
    const fixed =
      1 +
      sizeOfDifference(timestamp, first) +
      sizeOfVarint(delta) +
      sizeOfVarint(keyLength) +
      Math.max(0, keyLength) +
      (headers.length === 0 ? 1 : sizeOfHeaders(headers))
    // The bytes of a text are known when it is written: until then it counts as ASCII, and room is for the worst.
    let length = value === null ? -1 : value.length
    this.#ensure(fixed + 10 + (typeof value === 'string' ? 3 * length : Math.max(0, length)))
    const buffer = this.#buffer
    for (;;) {
      let at = writeVarint(buffer, fixed + sizeOfVarint(length) + Math.max(0, length), this.#at)
      buffer[at++] = 0
      at = writeDifference(buffer, timestamp, first, at)
      at = writeVarint(buffer, delta, at)
      if (typeof key === 'string') {
        at = writeVarint(buffer, keyLength, at)
        at += buffer.write(key, at)
      } else at = writeBytes(buffer, key, at)
      if (typeof value === 'string') {
        at = writeVarint(buffer, length, at)
        const written = buffer.write(value, at)
        if (written !== length) {
          this.ascii = false
          length = written
          continue
        }
        at += written
      } else {
        if (length > 0) this.ascii = false
        at = writeBytes(buffer, value, at)
      }
      this.#at = headers.length === 0 ? writeVarint(buffer, 0, at) : this.#writeHeaders(headers, at)
      break
    }
    this.count++
    this.lastOffset = offset
    this.lastTimestamp = timestamp
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
  }

  /** The whole batch; what was reserved before it is for the caller to fill. */
  finish({ producerId, producerEpoch, baseSequence }: Producer = noProducer): Buffer {
    const whole = this.#buffer.subarray(0, this.#at)
    const batch = whole.subarray(this.#reserved)
    writeInt64(batch, this.baseOffset, At.baseOffset)
    batch.writeInt32BE(batch.length - At.partitionLeaderEpoch, At.batchLength)
    batch.writeInt32BE(-1, At.partitionLeaderEpoch)
    batch[At.magic] = 2
    batch.writeInt16BE(0, At.attributes)
    batch.writeInt32BE(this.lastOffset - this.baseOffset, At.lastOffsetDelta)
    writeInt64(batch, this.firstTimestamp, At.firstTimestamp)
    writeInt64(batch, this.#maxTimestamp, At.maxTimestamp)
    writeInt64(batch, producerId, At.producerId)
    batch.writeInt16BE(producerEpoch, At.producerEpoch)
    batch.writeInt32BE(baseSequence, At.baseSequence)
    batch.writeInt32BE(this.count, At.count)
    batch.writeUInt32BE(crc32c(batch.subarray(At.attributes)), At.crc)
    return whole
  }

  #writeHeaders(headers: readonly Header[], start: number): number {
    const buffer = this.#buffer
    let at = writeVarint(buffer, headers.length, start)
    for (const { key, value } of headers) {
      at = writeVarint(buffer, Buffer.byteLength(key), at)
      at += buffer.write(key, at)
      at = writeBytes(buffer, value, at)
    }
    return at
  }

  #ensure(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#buffer.length) return
    if (needed - this.#reserved > maxInt32) throw refused(`the batch is larger than ${maxInt32} bytes`)
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length))
    larger.set(this.#buffer.subarray(0, this.#at))
    this.#buffer = larger
  }
}
