import { crc32c } from '@node-rs/crc32'

import { AegisError } from './errors.ts'

/** Bytes that every stored value is longer than the user's. */
export const checksumBytes = 4

// Zeroing costs more than the copy for large values.
const allocate: (size: number) => Uint8Array =
  typeof Buffer === 'undefined' ? size => new Uint8Array(size) : size => Buffer.allocUnsafe(size)

/** A copy of `key` behind one byte that says whose key it is. */
export function prefixed(prefix: number, key: Uint8Array): Uint8Array {
  const stored = allocate(key.length + 1)
  stored[0] = prefix
  stored.set(key, 1)
  return stored
}

/** A copy of `value`, followed by the CRC-32C of stored key and value: a block of another key does not pass for this one. */
export function seal(storedKey: Uint8Array, value: Uint8Array): Uint8Array {
  const stored = allocate(value.length + checksumBytes)
  stored.set(value)
  return writeChecksum(storedKey, value, stored)
}

/** The same without a copy, where the memory behind the value is free. */
export const sealGiven = (storedKey: Uint8Array, value: Uint8Array): Uint8Array =>
  writeChecksum(storedKey, value, new Uint8Array(value.buffer, value.byteOffset, value.length + checksumBytes))

function writeChecksum(storedKey: Uint8Array, value: Uint8Array, stored: Uint8Array): Uint8Array {
  const end = value.length
  const checksum = crc32c(value, crc32c(storedKey))
  stored[end] = checksum >>> 24
  stored[end + 1] = checksum >>> 16
  stored[end + 2] = checksum >>> 8
  stored[end + 3] = checksum
  return stored
}

/** Whether a stored value has its checksum. */
export function isSealed(storedKey: Uint8Array, stored: Uint8Array): boolean {
  const end = stored.length - checksumBytes
  if (end < 0) return false
  const found = ((stored[end]! << 24) | (stored[end + 1]! << 16) | (stored[end + 2]! << 8) | stored[end + 3]!) >>> 0
  return found === crc32c(stored.subarray(0, end), crc32c(storedKey))
}

/**
 * The value without its checksum, as a view.
 * @throws AegisError `STORAGE_CORRUPT` when the checksum does not fit.
 */
export function unseal(storedKey: Uint8Array, stored: Uint8Array): Uint8Array {
  if (isSealed(storedKey, stored)) return stored.subarray(0, stored.length - checksumBytes)
  const key = shownKey(storedKey)
  throw new AegisError(
    'STORAGE_CORRUPT',
    `The value of key ${key} (hex) does not have its checksum: the stored bytes were changed. Restore a backup.`,
    { details: { key } },
  )
}

/** A stored key for people, in hex; long ones are cut. */
export function shownKey(storedKey: Uint8Array): string {
  return Array.from(storedKey.subarray(1, 33), byte => byte.toString(16).padStart(2, '0')).join('')
}
