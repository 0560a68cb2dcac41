import { checksumBytes, prefixed, seal, sealGiven } from './checksum.ts'
import { AegisError } from './errors.ts'
import { userPrefix } from './identity.ts'
import type { CommitOptions, Operation, RangeOptions } from './storage.ts'

/** An operation as it is stored: prefixed key, sealed value. */
export type StoredOperation = { type: 'put'; key: Uint8Array; value: Uint8Array } | { type: 'del'; key: Uint8Array }

const invalid = (what: string) => new AegisError('STORAGE_INVALID', what)

function named(value: unknown): string {
  return value === null ? 'null' : typeof value === 'object' ? (value.constructor?.name ?? 'object') : String(value)
}

function checkBytes(name: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw invalid(`${name} must be a Uint8Array, not ${named(value)}`)
}

export function storedKey(key: Uint8Array): Uint8Array {
  checkBytes('A key', key)
  if (key.length === 0) throw invalid('A key must have at least one byte')
  return prefixed(userPrefix, key)
}

const roomBehind = ({ buffer, byteOffset, length }: Uint8Array): number => buffer.byteLength - byteOffset - length

export function storedOperation(operation: Operation): StoredOperation {
  const type = operation?.type
  if (type === 'delete') return { type: 'del', key: storedKey(operation.key) }
  if (type !== 'put') throw invalid(`An operation's type must be 'put' or 'delete', not ${named(type)}`)
  checkBytes('A value', operation.value)
  const key = storedKey(operation.key)
  if (operation.given === true && roomBehind(operation.value) < checksumBytes) {
    throw invalid(
      `A value that is given must have ${checksumBytes} free bytes behind it, not ${roomBehind(operation.value)}`,
    )
  }
  const sealed = operation.given === true ? sealGiven(key, operation.value) : seal(key, operation.value)
  return { type, key, value: sealed }
}

export function checkedDurability(options: CommitOptions | undefined): 'fsync' | 'buffered' {
  const durability = options?.durability ?? 'fsync'
  if (durability !== 'fsync' && durability !== 'buffered') {
    throw invalid(`durability must be 'fsync' or 'buffered', not ${named(durability)}`)
  }
  return durability
}

/** The range over stored keys; open ends stop at the user's keys. */
export function storedRange(options: RangeOptions) {
  for (const name of ['gte', 'gt', 'lte', 'lt'] as const) {
    if (options[name] !== undefined) checkBytes(name, options[name])
  }
  const { gte, gt, lte, lt, reverse = false, limit = Infinity, chunkBytes = 1 << 20 } = options
  if (typeof reverse !== 'boolean') throw invalid(`reverse must be true or false, not ${named(reverse)}`)
  if (limit !== Infinity && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw invalid(`limit must be a whole number from 0 on, not ${named(limit)}`)
  }
  if (!(Number.isSafeInteger(chunkBytes) && chunkBytes > 0)) {
    throw invalid(`chunkBytes must be a whole number above 0, not ${named(chunkBytes)}`)
  }
  const stored = (bound: Uint8Array) => prefixed(userPrefix, bound)
  // abstract-level prefers gte over gt; both given is the caller's intersection, so the tighter one is taken.
  const lower = tighter(gte, gt, 1)
  const upper = tighter(lte, lt, -1)
  return {
    ...(lower === undefined
      ? { gte: stored(new Uint8Array()) }
      : lower.open
        ? { gt: stored(lower.key) }
        : { gte: stored(lower.key) }),
    ...(upper === undefined
      ? { lt: Uint8Array.of(userPrefix + 1) }
      : upper.open
        ? { lt: stored(upper.key) }
        : { lte: stored(upper.key) }),
    reverse,
    limit: limit === Infinity ? -1 : limit,
    chunkBytes,
  }
}

function tighter(closed: Uint8Array | undefined, open: Uint8Array | undefined, direction: 1 | -1) {
  if (open === undefined) return closed === undefined ? undefined : { key: closed, open: false }
  if (closed === undefined || compareBytes(open, closed) * direction >= 0) return { key: open, open: true }
  return { key: closed, open: false }
}

/** Unsigned byte order, the order of all keys. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}
