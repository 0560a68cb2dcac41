import type { Durability, StorageReport } from './storage.ts'
import type { Store } from './store.ts'

/** An open store and what has to happen around its commits. */
export interface Medium {
  readonly store: Store
  readonly databaseId: string
  /** Number of the last commit in it. */
  readonly counter: number
  /** Default false. */
  readonly readOnly?: boolean
  /** After a commit is in the database, before its promise resolves. A failure fences. */
  committed?(counter: number, durability: Durability): void | Promise<void>
  /** Makes everything up to this commit durable. Default: an empty synced commit. */
  flush?(counter: number): Promise<void>
  /** Checks the files of the database. Default: there are none. */
  verifyFiles?(options: FileScanOptions): Promise<Pick<StorageReport, 'files' | 'damage'>>
  /** After the database is closed. */
  release?(): Promise<void>
}

export interface FileScanOptions {
  signal?: AbortSignal | undefined
  /** Called after each file. */
  onFile?: (checked: number, of: number) => void
}
