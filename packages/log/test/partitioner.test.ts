import { describe, expect, it } from 'vitest'
import { murmur2 } from '../src/murmur2.ts'
import { partitionForKey, StickyPartitioner } from '../src/partitioner.ts'

const vectors: [string, number][] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

describe('murmur2', () => {
  it.each(vectors)('hashes %s as the Java client does', (key, hash) => {
    expect(murmur2(Buffer.from(key))).toBe(hash)
  })

  it('hashes a view by its own bytes only', () => {
    expect(murmur2(Buffer.from('--foobar--').subarray(2, 8))).toBe(-790332482)
  })
})

describe('partitionForKey', () => {
  it.each(vectors)('puts %s where the Java client does, also with a negative hash', (key, hash) => {
    for (const partitions of [1, 2, 7, 12, 1000]) {
      expect(partitionForKey(Buffer.from(key), partitions)).toBe((hash & 0x7fffffff) % partitions)
    }
  })

  it('has a partition for an empty key', () => {
    expect(partitionForKey(new Uint8Array(0), 5)).toBe((275646681 & 0x7fffffff) % 5)
  })
})

describe('StickyPartitioner', () => {
  it('moves on per batch and goes round', () => {
    const partitioner = new StickyPartitioner(3)
    expect(Array.from({ length: 7 }, () => partitioner.next())).toEqual([0, 1, 2, 0, 1, 2, 0])
  })

  it('stays with the only partition', () => {
    const partitioner = new StickyPartitioner(1)
    expect([partitioner.next(), partitioner.next()]).toEqual([0, 0])
  })
})
