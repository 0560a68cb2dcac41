/**
 * What was compressed with Snappy; undefined when the bytes are not of it, or would become more than `limit`.
 * Source: google/snappy, format_description.txt.
 */
export function unsnap(compressed: Uint8Array, limit: number): Uint8Array | undefined {
  let at = 0
  const byte = () => compressed[at++] ?? Number.NaN
  const little = (bytes: number) => {
    let value = 0
    for (let i = 0; i < bytes; i++) value += byte() * 256 ** i
    return value
  }
  let length = 0
  for (let scale = 1; ; scale *= 128) {
    const part = byte()
    length += (part & 127) * scale
    if (!(part >= 128)) break
  }
  if (!(length <= limit)) return undefined
  const out = new Uint8Array(length)
  let end = 0
  while (at < compressed.length) {
    const tag = byte()
    const kind = tag & 3
    if (kind === 0) {
      const short = tag >>> 2
      const size = 1 + (short < 60 ? short : little(short - 59))
      if (!(at + size <= compressed.length) || end + size > length) return undefined
      out.set(compressed.subarray(at, at + size), end)
      at += size
      end += size
      continue
    }
    const size = kind === 1 ? 4 + ((tag >>> 2) & 7) : 1 + (tag >>> 2)
    const back = kind === 1 ? (tag >>> 5) * 256 + byte() : little(kind === 2 ? 2 : 4)
    if (!(back > 0 && back <= end) || end + size > length) return undefined
    // Byte by byte: a copy may repeat what it has just written.
    for (let i = 0; i < size; i++, end++) out[end] = out[end - back]!
  }
  return end === length ? out : undefined
}
