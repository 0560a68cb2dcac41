import type { Operation } from '@aegis/storage'

interface Written {
  readonly number: number
  readonly writes: ReadonlyMap<string, Operation>
  /** Of these, those that mean the same as what was there before. */
  readonly rewrites: ReadonlySet<string>
}

interface Progress {
  /** Number of the last durable commit. */
  readonly commits: number
  /** Decided and not durable. */
  readonly pending: readonly Written[]
}

/** What a transaction has read, as texts of storage keys. */
export interface ReadSet {
  readonly keys: ReadonlySet<string>
  readonly ranges: readonly { readonly gte: string; readonly lt: string }[]
}

/** Which keys were written since a snapshot; kept while there are snapshots. */
export class RecentWrites {
  readonly #progress: Progress
  readonly #snapshots = new Map<object, number>()
  #recent: { number: number; keys: ReadonlySet<string> }[] = []

  constructor(progress: Progress) {
    this.#progress = progress
  }

  /** To be called in the turn in which the owner takes its snapshot. */
  remember(owner: object): void {
    this.#snapshots.set(owner, this.#progress.commits)
  }

  release(owner: object): void {
    if (!this.#snapshots.delete(owner)) return
    const oldest = Math.min(...this.#snapshots.values())
    if (this.#recent.length > 0 && this.#recent[0]!.number <= oldest) {
      this.#recent = this.#recent.filter(commit => commit.number > oldest)
    }
  }

  /** A commit became durable. */
  add({ number, writes, rewrites }: Written): void {
    if (this.#snapshots.size === 0 || writes.size === rewrites.size) return
    const keys = new Set(writes.keys())
    for (const id of rewrites) keys.delete(id)
    this.#recent.push({ number, keys })
  }

  /** Whether something of the set was written after the owner's snapshot, be it durable or only decided. */
  touched(owner: object, reads: ReadSet): boolean {
    const since = this.#snapshots.get(owner)
    if (since === undefined) return false
    return (
      this.#recent.some(({ number, keys }) => number > since && meets(reads, keys, none)) ||
      this.#progress.pending.some(({ writes, rewrites }) => meets(reads, writes, rewrites))
    )
  }
}

const none: ReadonlySet<string> = new Set()

function meets(
  { keys, ranges }: ReadSet,
  written: ReadonlySet<string> | ReadonlyMap<string, unknown>,
  except: ReadonlySet<string>,
): boolean {
  for (const key of keys) if (written.has(key) && !except.has(key)) return true
  if (ranges.length === 0) return false
  for (const key of written.keys()) {
    if (ranges.some(({ gte, lt }) => key >= gte && key < lt) && !except.has(key)) return true
  }
  return false
}
