import type { Header } from '../log.ts'
import { refused } from './layout.ts'
import { sizeOfDifference, sizeOfVarint, writeDifference, writeVarint } from './varint.ts'

/** Throws `LOG_INVALID` for header keys that a batch cannot hold. */
export function sizeOfHeaders(headers: readonly Header[]): number {
  let size = sizeOfVarint(headers.length)
  for (const { key, value } of headers) {
    // A lone surrogate would come back as another character.
    if (typeof key !== 'string' || !key.isWellFormed()) {
      throw refused(`header key ${JSON.stringify(key)} is not a well-formed text`)
    }
    if (value !== null && !(value instanceof Uint8Array)) {
      throw refused(`the value of header ${JSON.stringify(key)} is a ${typeof value}: give bytes or null`)
    }
    const keySize = Buffer.byteLength(key)
    size += sizeOfVarint(keySize) + keySize + (value === null ? 1 : sizeOfVarint(value.length) + value.length)
  }
  return size
}

/** What precedes a record's key, without the record's size: attributes, both differences, the key's length. */
export const sizeOfStart = (timestamp: number, first: number, offsetDelta: number, keyLength: number): number =>
  1 + sizeOfDifference(timestamp, first) + sizeOfVarint(offsetDelta) + sizeOfVarint(keyLength)

/** Writes the record's size and what precedes its key. Returns where it goes on. */
export function writeStart(
  buffer: Buffer,
  size: number,
  timestamp: number,
  first: number,
  offsetDelta: number,
  keyLength: number,
  start: number,
): number {
  let at = writeVarint(buffer, size, start)
  buffer[at++] = 0
  at = writeDifference(buffer, timestamp, first, at)
  at = writeVarint(buffer, offsetDelta, at)
  return writeVarint(buffer, keyLength, at)
}

/** Returns where it goes on. */
export function copyBytes(buffer: Buffer, bytes: Uint8Array, at: number): number {
  const { length } = bytes
  // `set` has a fixed cost that is higher than copying a few bytes.
  if (length > 24) buffer.set(bytes, at)
  else for (let i = 0; i < length; i++) buffer[at + i] = bytes[i]!
  return at + length
}

export function writeHeaders(buffer: Buffer, headers: readonly Header[], start: number): number {
  let at = writeVarint(buffer, headers.length, start)
  for (const { key, value } of headers) {
    at = writeVarint(buffer, Buffer.byteLength(key), at)
    at += buffer.write(key, at)
    at = writeVarint(buffer, value === null ? -1 : value.length, at)
    if (value !== null) at = copyBytes(buffer, value, at)
  }
  return at
}
