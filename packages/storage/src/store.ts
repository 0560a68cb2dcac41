import type { StoredOperation, storedRange } from './arguments.ts'

export type StoredRange = ReturnType<typeof storedRange>
export type StoredEntry = [key: Uint8Array, value: Uint8Array]

/** Walks a range. */
export interface StoreIterator {
  /** Some more entries; none at the end. */
  next(): Promise<readonly StoredEntry[]>
  close(): Promise<void>
}

/** Reads keys and values as they are stored: prefixed, sealed. */
export interface StoreReader {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  getSync(key: Uint8Array): Uint8Array | undefined
  iterate(range: StoredRange): StoreIterator
}

export interface StoreSnapshot extends StoreReader {
  close(): Promise<void>
}

/** What a storage needs of a database; nothing else of it is used. */
export interface Store extends StoreReader {
  /** All operations or none; on the disk when `sync`. */
  write(operations: readonly StoredOperation[], sync: boolean): Promise<void>
  snapshot(): StoreSnapshot
  approximateSize(start: Uint8Array, end: Uint8Array): Promise<number>
  compact(start: Uint8Array, end: Uint8Array): Promise<void>
  close(): Promise<void>
}
