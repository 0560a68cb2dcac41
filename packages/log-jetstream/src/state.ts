import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import { startsWith } from './keyed-reads.ts'
import type { StoredMessage } from './stored-message.ts'
import { bytesOf, tokenOf } from './subjects.ts'
import { lastOfEach } from './up-to-now.ts'

// An entry of a private key space is a message: a byte of flags, the key where the subject has only its digest, the value.

const deletedFlag = 1
const keyFlag = 2

export function encodeEntry(key: Uint8Array, value: Uint8Array | undefined): Uint8Array {
  const flags = value === undefined ? deletedFlag : 0
  const hidden = bytesOf(tokenOf(key)) === undefined
  const head = Buffer.alloc(hidden ? 5 : 1)
  head[0] = flags | (hidden ? keyFlag : 0)
  if (hidden) head.writeUInt32BE(key.length, 1)
  return Buffer.concat([head, hidden ? key : new Uint8Array(), value ?? new Uint8Array()])
}

interface Entry {
  readonly key: Uint8Array
  /** `undefined` when it was deleted. */
  readonly value: Uint8Array | undefined
}

export function decodeEntry({ subject, data }: StoredMessage): Entry {
  const [flags = 0] = data
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
  const length = (flags & keyFlag) === 0 ? 0 : 4 + bytes.readUInt32BE(1)
  const key = length === 0 ? bytesOf(subject.slice(subject.lastIndexOf('.') + 1)) : bytes.subarray(5, 1 + length)
  if (key === undefined) throw new AegisError('BATCH_INVALID', `the entry on ${subject} has no key`)
  return { key, value: (flags & deletedFlag) === 0 ? bytes.subarray(1 + length) : undefined }
}

/** The entries of a key space with a prefix, in byte order. */
export async function scanEntries(
  domain: Domain,
  space: string,
  prefix: Uint8Array,
): Promise<(readonly [Uint8Array, Uint8Array])[]> {
  const entries = new Map<string, readonly [Uint8Array, Uint8Array]>()
  for await (const message of lastOfEach(domain, domain.subjects.space(space))) {
    const { key, value } = decodeEntry(message)
    if (value === undefined || !startsWith(key, prefix)) entries.delete(message.subject)
    else entries.set(message.subject, [key, value])
  }
  return [...entries.values()].sort(([a], [b]) => Buffer.compare(a, b))
}
