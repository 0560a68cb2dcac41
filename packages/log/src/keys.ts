// One storage for everything: the first byte says what a key is, and no name or key of a user can reach into
// another's, because each is escaped and ended (0x00 as 00 FF, the end as 00 00), which also keeps byte order.
export const Space = {
  topic: 0x10,
  catalog: 0x11,
  deleted: 0x12,
  database: 0x13,
  batch: 0x20,
  partition: 0x21,
  latest: 0x30,
  head: 0x40,
  history: 0x41,
  group: 0x50,
  producer: 0x51,
  abandoned: 0x52,
  state: 0x60,
} as const

/** What there is of a topic beside its configuration: behind the space stands its number. */
export const spacesOfTopic: readonly number[] = [
  Space.batch,
  Space.partition,
  Space.latest,
  Space.head,
  Space.history,
  Space.group,
  Space.producer,
]

export function escaped(bytes: Uint8Array): Uint8Array {
  let zeros = 0
  for (const byte of bytes) if (byte === 0) zeros++
  const out = new Uint8Array(bytes.length + zeros + 2)
  let at = 0
  for (const byte of bytes) {
    out[at++] = byte
    if (byte === 0) out[at++] = 0xff
  }
  return out
}

/** Undoes `escaped`, from `at` on. */
export function unescaped(bytes: Uint8Array, at: number): Uint8Array {
  const out: number[] = []
  for (let i = at; i < bytes.length; i++) {
    if (bytes[i] === 0 && bytes[++i] !== 0xff) break
    out.push(bytes[i] === 0xff && bytes[i - 1] === 0 ? 0 : bytes[i]!)
  }
  return Uint8Array.from(out)
}

const join = (...parts: (Uint8Array | number[])[]): Uint8Array =>
  Buffer.concat(parts.map(part => (Array.isArray(part) ? Uint8Array.from(part) : part)))
export const text = (value: string): Uint8Array => Buffer.from(value, 'utf8')
export function u32(value: number): Uint8Array {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}
// By bytes: a view made for each number costs more than the number (15 against 3 ns).
const writeU32 = (bytes: Uint8Array, value: number, at: number): void => {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
export const readU32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
export function writeU64(bytes: Uint8Array, value: number, at: number): void {
  writeU32(bytes, Math.floor(value / 0x1_0000_0000), at)
  writeU32(bytes, value >>> 0, at + 4)
}
export function u64(value: number): Uint8Array {
  const out = Buffer.alloc(8)
  writeU64(out, value, 0)
  return out
}
export const readU64 = (bytes: Uint8Array, at: number): number =>
  readU32(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 4)

export const topicKey = (name: string): Uint8Array => join([Space.topic], text(name))
/** A deleted topic whose records may still be there. */
export const deletedKey = (topicId: number): Uint8Array => join([Space.deleted], u32(topicId))
/** The last topic id that was given out. */
export const catalogKey: Uint8Array = Uint8Array.of(Space.catalog)
/** Id of the database in which the topics were last open: another one after it was restored from a backup. */
export const databaseKey: Uint8Array = Uint8Array.of(Space.database)
export const batchKey = (topicId: number, partition: number, lastOffset: number): Uint8Array =>
  join([Space.batch], u32(topicId), u32(partition), u64(lastOffset))
export const partitionKey = (topicId: number, partition: number): Uint8Array =>
  join([Space.partition], u32(topicId), u32(partition))
export const latestKey = (topicId: number, key: Uint8Array): Uint8Array =>
  join([Space.latest], u32(topicId), escaped(key))
/** Where the record's key begins in a `latestKey` or `headKey`. */
export const keyAt = 5
export const headKey = (topicId: number, key: Uint8Array): Uint8Array => join([Space.head], u32(topicId), escaped(key))
/** A page of the history whose head is stored under `head`. */
export const pageKey = (head: Uint8Array, lastVersion: number): Uint8Array =>
  join([Space.history], head.subarray(1), u64(lastVersion))
export const groupKey = (topicId: number, groupId: string, partition: number): Uint8Array =>
  join([Space.group], u32(topicId), escaped(text(groupId)), u32(partition))
/** A group that had positions in a topic of this name which was deleted. */
export const abandonedKey = (topic: string, groupId: string): Uint8Array =>
  join([Space.abandoned], escaped(text(topic)), escaped(text(groupId)))
export const stateKey = (space: string, key: Uint8Array): Uint8Array => join([Space.state], escaped(text(space)), key)
export const topicRange = (space: number, topicId: number): { gte: Uint8Array; lt: Uint8Array } => ({
  gte: join([space], u32(topicId)),
  lt: join([space], u32(topicId + 1)),
})

/** The first key after all keys that start with `prefix`. */
export function afterPrefix(prefix: Uint8Array): Uint8Array {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i]! < 0xff) return join(prefix.subarray(0, i), [prefix[i]! + 1])
  }
  return join(prefix, [0xff])
}
