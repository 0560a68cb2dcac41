import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  abandonedKey,
  afterPrefix,
  batchKey,
  escaped,
  groupKey,
  headKey,
  latestKey,
  pageKey,
  stateKey,
  unescaped,
} from '../src/keys.ts'

// Zeros and 255 are what an escape can get wrong.
const byte = fc.oneof(fc.constantFrom(0, 1, 254, 255), fc.nat(255))
const key = fc.array(byte, { maxLength: 6 }).map(bytes => Uint8Array.from(bytes))
const name = fc.string({ unit: fc.constantFrom('\0', '\u0001', 'a', '.', '\u00ff', '\u{10ffff}'), maxLength: 5 })
const topicId = fc.constantFrom(0, 1, 255, 256, 2 ** 32 - 2)
const number = fc.constantFrom(0, 1, 255, 256, 2 ** 32, Number.MAX_SAFE_INTEGER)

const order = (a: Uint8Array, b: Uint8Array): number => Math.sign(Buffer.compare(a, b))
const orderOf = (a: readonly number[], b: readonly number[]): number => {
  const at = a.findIndex((value, index) => value !== b[index])
  return at < 0 ? 0 : Math.sign(a[at]! - b[at]!)
}

describe('stored keys', () => {
  it('of record keys are in the order of their bytes, topic by topic, and come back as they were', () => {
    fc.assert(
      fc.property(topicId, key, topicId, key, (topicA, a, topicB, b) => {
        const expected = topicA === topicB ? order(a, b) : Math.sign(topicA - topicB)
        expect(order(latestKey(topicA, a), latestKey(topicB, b))).toBe(expected)
        expect(order(headKey(topicA, a), headKey(topicB, b))).toBe(expected)
        expect(Buffer.from(unescaped(escaped(a), 0)).equals(a)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  it('of pages are in the order of their versions, under their own head alone', () => {
    fc.assert(
      fc.property(key, number, key, number, (a, versionA, b, versionB) => {
        const [headA, headB] = [headKey(1, a), headKey(1, b)]
        const pages = [pageKey(headA, versionA), pageKey(headB, versionB)] as const
        expect(order(...pages)).toBe(order(a, b) === 0 ? Math.sign(versionA - versionB) : order(a, b))
      }),
      { numRuns: 2_000 },
    )
  })

  it('of batches are in the order of topic, partition and offset', () => {
    const place = fc.tuple(topicId, topicId, number)
    fc.assert(
      fc.property(place, place, (a, b) => {
        expect(order(batchKey(...a), batchKey(...b))).toBe(orderOf(a, b))
      }),
      { numRuns: 2_000 },
    )
  })

  it('of groups, recreated topics and key spaces differ when what they name differs', () => {
    const same = (a: Uint8Array, b: Uint8Array): boolean => order(a, b) === 0
    fc.assert(
      fc.property(name, name, name, name, key, key, (a, b, a2, b2, keyA, keyB) => {
        expect(same(groupKey(1, a, 0), groupKey(1, b, 0))).toBe(a === b)
        expect(same(abandonedKey(a, a2), abandonedKey(b, b2))).toBe(a === b && a2 === b2)
        expect(same(stateKey(a, keyA), stateKey(b, keyB))).toBe(a === b && same(keyA, keyB))
      }),
      { numRuns: 5_000 },
    )
  })

  it('of a key space are within its range, those of others outside', () => {
    fc.assert(
      fc.property(name, name, key, key, (space, other, prefix, rest) => {
        const gte = stateKey(space, prefix)
        const lt = afterPrefix(gte)
        const within = (stored: Uint8Array): boolean => order(stored, gte) >= 0 && order(stored, lt) < 0
        expect(within(stateKey(space, Buffer.concat([prefix, rest])))).toBe(true)
        if (other !== space) expect(within(stateKey(other, rest))).toBe(false)
      }),
      { numRuns: 5_000 },
    )
  })
})
