import { randomUUID } from 'node:crypto'
import { MemoryLevel } from 'memory-level'
import { CheckedStorage, type BinaryLevel } from './checked-storage.ts'
import type { Storage } from './storage.ts'

/** A storage that is gone with the process: for tests. */
export async function openMemory(): Promise<Storage> {
  const level = new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: 'view', valueEncoding: 'view', storeEncoding: 'view' })
  await level.open()
  return new CheckedStorage(level as unknown as BinaryLevel, randomUUID(), async () => undefined)
}
