import { prefixed, seal, unseal } from './checksum.ts'
import type { Store } from './store.ts'

/** Behind this byte are the storage's own keys, which no range shows. */
export const internalPrefix = 0
/** Behind this byte are the user's keys. */
export const userPrefix = 1

/** Counts commits; rewritten by every commit, as its first operation. The verifier of the write-ahead logs reads it there. */
export const counterKey = prefixed(internalPrefix, new Uint8Array())
const databaseIdKey = prefixed(internalPrefix, Uint8Array.of(1))

export function encodeCounter(counter: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(counter))
  return seal(counterKey, bytes)
}

export function decodeCounter(stored: Uint8Array): number {
  const bytes = unseal(counterKey, stored)
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0))
}

/** Number of the last commit in a store, 0 when there is none. */
export async function readCounter(store: Store): Promise<number> {
  const stored = await store.get(counterKey)
  return stored === undefined ? 0 : decodeCounter(stored)
}

/** Id of a store, undefined when it has none yet. */
export async function readDatabaseId(store: Store): Promise<string | undefined> {
  const stored = await store.get(databaseIdKey)
  return stored === undefined ? undefined : new TextDecoder().decode(unseal(databaseIdKey, stored))
}

/** Id and commit counter of a store; a new one gets an id. */
export async function readIdentity(store: Store): Promise<{ databaseId: string; counter: number }> {
  const known = await readDatabaseId(store)
  if (known !== undefined) return { databaseId: known, counter: await readCounter(store) }
  const databaseId = crypto.randomUUID()
  await writeIdentity(store, databaseId)
  return { databaseId, counter: 0 }
}

/** First write of a new store, synced: after it the database exists. */
export async function writeIdentity(store: Store, databaseId: string): Promise<void> {
  const operations = [
    { type: 'put' as const, key: counterKey, value: encodeCounter(0) },
    { type: 'put' as const, key: databaseIdKey, value: seal(databaseIdKey, new TextEncoder().encode(databaseId)) },
  ]
  await store.write(operations, true)
}
