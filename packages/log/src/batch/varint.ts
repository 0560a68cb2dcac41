// Zigzag variable-length integers as RecordBatch v2 has them.

const zigzag = (value: number): number => ((value << 1) ^ (value >> 31)) >>> 0
const zigzagLong = (value: bigint): bigint => BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
const fitsInt32 = (value: number): boolean => value === (value | 0)

/** For 32-bit integers. */
export function sizeOfVarint(value: number): number {
  const bits = zigzag(value)
  return bits < 0x80 ? 1 : bits < 0x4000 ? 2 : bits < 0x200000 ? 3 : bits < 0x10000000 ? 4 : 5
}

/** For the difference of two whole numbers, which may be beyond 2^53. */
export function sizeOfDifference(value: number, base: number): number {
  if (fitsInt32(value - base)) return sizeOfVarint(value - base)
  let size = 1
  for (let bits = zigzagLong(BigInt(value) - BigInt(base)); bits >= 0x80n; bits >>= 7n) size++
  return size
}

/** Returns where it goes on. */
export function writeVarint(buffer: Uint8Array, value: number, at: number): number {
  let bits = zigzag(value)
  let end = at
  for (; bits >= 0x80; bits >>>= 7) buffer[end++] = (bits & 0x7f) | 0x80
  buffer[end++] = bits
  return end
}

export function writeDifference(buffer: Uint8Array, value: number, base: number, at: number): number {
  if (fitsInt32(value - base)) return writeVarint(buffer, value - base, at)
  let bits = zigzagLong(BigInt(value) - BigInt(base))
  let end = at
  for (; bits >= 0x80n; bits >>= 7n) buffer[end++] = Number(bits & 0x7fn) | 0x80
  buffer[end++] = Number(bits)
  return end
}
