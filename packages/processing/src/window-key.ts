import { AegisError } from '@aegis/storage'

/** What `keyBy` may give. Texts and numbers are told apart: `'1'` is not `1`. */
export type WindowKey = string | number | boolean | null

/** @throws AegisError `KEY_INVALID` */
export function checkKey(key: unknown): WindowKey {
  if (typeof key === 'string') {
    // A lone surrogate would come out as another character, and two keys as one.
    if (key.isWellFormed()) return key
  } else if (typeof key === 'boolean' || key === null) return key
  // A map does not tell 0 from -0 either.
  else if (typeof key === 'number' && Number.isFinite(key)) return key + 0
  const shown = typeof key === 'string' ? JSON.stringify(key) : typeof key === 'object' ? 'an object' : String(key)
  throw new AegisError('KEY_INVALID', `a key is ${shown}: give a well-formed text, a finite number, a boolean or null`)
}

/** The key of an output record: a text as it is, null as no key, all else as JSON. */
export const recordKey = (key: WindowKey): Uint8Array | null =>
  key === null ? null : Buffer.from(typeof key === 'string' ? key : JSON.stringify(key))

const rank = (key: WindowKey): number =>
  key === null ? 0 : typeof key === 'boolean' ? 1 : typeof key === 'number' ? 2 : 3

/** A total order, so that the results of a window come in the same order however often the work was interrupted. */
export function compareKeys(a: WindowKey, b: WindowKey): number {
  const ranks = rank(a) - rank(b)
  if (ranks !== 0 || a === null || b === null) return ranks
  return a < b ? -1 : a > b ? 1 : 0
}
