import type { BatchRecord } from '../../batch/layout.ts'
import { sizeOfHeaders, writeHeaders } from '../../batch/record-parts.ts'
import { readU64, writeU64 } from '../../keys.ts'
import type { Header, KeyedRecord } from '../../log.ts'
import { BatchSource, readHeaders, type TextRecord, textOf } from '../../stored-record.ts'

// size of what follows, partition, offset, timestamp, length of the value or -1; then the value and the headers.
const At = { size: 0, partition: 4, offset: 8, timestamp: 16, valueLength: 24, value: 28 } as const

/** A record as a history holds it: its key and version follow from where it stands. */
export function encodeEntry({ offset, timestamp, value, headers }: BatchRecord, partition: number): Buffer {
  const length = value?.length ?? 0
  const size = At.value + length + sizeOfHeaders(headers)
  const entry = Buffer.allocUnsafe(size)
  entry.writeUInt32BE(size - At.partition, At.size)
  entry.writeUInt32BE(partition, At.partition)
  writeU64(entry, offset, At.offset)
  entry.writeDoubleBE(timestamp, At.timestamp)
  entry.writeInt32BE(value === null ? -1 : length, At.valueLength)
  if (value !== null) entry.set(value, At.value)
  writeHeaders(entry, headers, At.value + length)
  return entry
}

/** Bytes of the first `count` entries. */
export function sizeOfEntries(entries: Uint8Array, count: number): number {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.length)
  let at = 0
  for (let n = 0; n < count; n++) at += view.getUint32(at) + At.partition
  return at
}

/** How many entries there are; -1 when the bytes do not end with one. */
export function entryCount(entries: Uint8Array): number {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.length)
  let count = 0
  let at = 0
  for (; at + At.value <= entries.length; count++) at += view.getUint32(at) + At.partition
  return at === entries.length ? count : -1
}

/** A record of a history: value and headers are made when they are asked for, as views of the stored bytes. */
class HistoryRecord implements KeyedRecord, TextRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array
  readonly version: number
  readonly #source: BatchSource
  readonly #value: number
  readonly #valueLength: number

  /** `view` is one of the bytes of the source: reading through it costs a fifth of reading through a Buffer. */
  constructor(topic: string, key: Uint8Array, version: number, source: BatchSource, view: DataView, at: number) {
    this.topic = topic
    this.key = key
    this.version = version
    this.partition = view.getUint32(at + At.partition)
    this.offset = readU64(source.bytes, at + At.offset)
    this.timestamp = view.getFloat64(at + At.timestamp)
    this.#source = source
    this.#value = at + At.value
    this.#valueLength = view.getInt32(at + At.valueLength)
  }

  get value(): Uint8Array | null {
    return this.#source.view(this.#value, this.#valueLength)
  }

  get headers(): readonly Header[] {
    return readHeaders(this.#source, this.#value + Math.max(0, this.#valueLength))
  }

  keyText(): string {
    return textOf(this.key)
  }

  valueText(): string | undefined {
    const start = this.#value
    return this.#valueLength < 0 ? undefined : this.#source.text(start, start + this.#valueLength)
  }
}

/** The records of versions from `from` up to `end`, not included, of entries that begin at version `first`. */
export function readEntries(
  topic: string,
  key: Uint8Array,
  entries: Uint8Array,
  first: number,
  from: number,
  end: number,
  into: KeyedRecord[],
): void {
  const bytes = Buffer.from(entries.buffer, entries.byteOffset, entries.length)
  const source = new BatchSource(bytes, false)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  for (let version = first; version < end && at < bytes.length; version++) {
    if (version >= from) into.push(new HistoryRecord(topic, key, version, source, view, at))
    at += view.getUint32(at) + At.partition
  }
}
