/** Where a commit must have arrived before its promise resolves. */
export type Durability = 'fsync' | 'buffered'

/** One change of a commit. Keys and values are raw bytes; keys are ordered by unsigned byte comparison. */
export type Operation =
  | {
      readonly type: 'put'
      readonly key: Uint8Array
      readonly value: Uint8Array
      /**
       * The value is given away, with `checksumBytes` free bytes behind it in its memory: the checksum is written there instead
       * of into a copy. Neither may change until the commit is done. Default false: the value is copied at once.
       */
      readonly given?: boolean
    }
  | { readonly type: 'delete'; readonly key: Uint8Array }

export interface CommitOptions {
  /** `'fsync'` (default): on the disk; survives power loss. `'buffered'`: handed to the operating system; survives a crash of the process. */
  durability?: Durability
}

/** A range of keys in byte order; a bound left out is open. */
export interface RangeOptions {
  gte?: Uint8Array
  gt?: Uint8Array
  lte?: Uint8Array
  lt?: Uint8Array
  /** From the last key to the first. Default false. */
  reverse?: boolean
  /** At most so many entries. Default: all. */
  limit?: number
  /** Soft bound of one chunk in bytes. Default 1 MB. */
  chunkBytes?: number
}

export type Entry = readonly [key: Uint8Array, value: Uint8Array]

/**
 * What can be read, from a storage or from a snapshot of it. A missing key reads as `undefined`; one that damage may have
 * hidden is `STORAGE_CORRUPT`, as is a value without its checksum.
 */
export interface StorageReader {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  /** Blocks the thread: for values that are known to be in memory. */
  getSync(key: Uint8Array): Uint8Array | undefined
  /** The entries of a range, in chunks. Leaving the loop releases the iterator. */
  range(options?: RangeOptions): AsyncIterable<readonly Entry[]>
}

/** A frozen view; later commits do not show in it. Close it: it keeps old data alive. */
export interface StorageSnapshot extends StorageReader {
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * `'read-only'`: a backup. `'fenced'`: a write failed, so nothing is written until it is opened again. `'damaged'`: stored bytes
 * have changed, so nothing is written, and what they may hide is not read (`STORAGE_CORRUPT`).
 */
export type StorageStatus = 'open' | 'read-only' | 'fenced' | 'damaged' | 'closing' | 'closed'

/** How far a walk over all that is stored has come. */
export interface Progress {
  readonly entries: number
  /** Of keys and values. */
  readonly bytes: number
  /** From 0 to 1, estimated. */
  readonly fraction: number
}

export interface ScanOptions {
  /** Called about once for each megabyte, and at the end. */
  onProgress?: (progress: Progress) => void
  /** Ends the work early: it rejects with the signal's reason. */
  signal?: AbortSignal
}

export interface VerifyOptions extends ScanOptions {
  /** Whether values are compared too, and not only the blocks that they lie in, which is ten times as fast. Default true. */
  values?: boolean
}

/** Something that is not as it was written. */
export interface Damage {
  /** Name of the file, where it is known. */
  readonly file?: string
  /** Where in the file. */
  readonly offset?: number
  /** Beginning of the key in hex, where it is known. */
  readonly key?: string
  readonly reason: string
}

export interface StorageReport {
  /** Whose values were compared. */
  readonly entries: number
  /** Of keys and values. */
  readonly bytes: number
  /** Files whose blocks were checked; 0 for what is not in files of LevelDB. */
  readonly files: number
  /** The first 1,000 places; none when all is as it was written. */
  readonly damage: readonly Damage[]
}

/** Ordered keys with atomic commits. Everything above stores its data in one of these. */
export interface Storage extends StorageReader {
  readonly status: StorageStatus
  /** Stable for the life of the database; a restored backup has another one. */
  readonly databaseId: string
  /**
   * Applies all operations or none.
   *
   * Commits become visible in the order in which they were called; readers never see a part of one.
   * @throws AegisError `STORAGE_FENCED` after an earlier write failed: its outcome is unknown, reopen to find out;
   * `STORAGE_READ_ONLY` for a backup; `STORAGE_CORRUPT` when a table was found to be damaged.
   */
  commit(operations: readonly Operation[], options?: CommitOptions): Promise<void>
  snapshot(): StorageSnapshot
  /** Makes every earlier `'buffered'` commit durable. */
  flush(): Promise<void>
  /** Bytes on disk between two keys, roughly. */
  approximateSize(start: Uint8Array, end: Uint8Array): Promise<number>
  /** Gives back the space of deleted keys between two keys. */
  compact(start: Uint8Array, end: Uint8Array): Promise<void>
  /**
   * Compares every block of LevelDB's tables with its checksum, which reading does not (a damaged key can hide an entry, and
   * no error tells), and then every value with its own. Goes on after damage; values are left out when a table is damaged,
   * for LevelDB is not safe to read it with. Reads and commits go on meanwhile.
   */
  verify(options?: VerifyOptions): Promise<StorageReport>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
