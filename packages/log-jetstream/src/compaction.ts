import type { Domain } from './domain.ts'
import { inParallel } from './in-parallel.ts'
import { lastMessage, nextMessage } from './messages.ts'
import { purge } from './purge.ts'
import type { StoredMessage } from './stored-message.ts'
import { upToNow } from './up-to-now.ts'

/** How long a tombstone of a compacted topic stays, in milliseconds. */
const tombstoneStays = 86_400_000

type Says = (message: StoredMessage) => boolean

/**
 * Keeps the last message of each subject alone. A process looks once at what all subjects have, and from then on only at what
 * was written since it last looked: 100,000 keys of which none has changed cost one request (docs/cluster.md).
 */
export class Compaction {
  readonly #domain: Domain
  /** By filter, the sequence up to which each subject has its last message alone. */
  readonly #compacted = new Map<string, number>()
  /** By filter, the sequence up to which there are no tombstones that are due. */
  readonly #cleared = new Map<string, number>()

  constructor(domain: Domain) {
    this.#domain = domain
  }

  /** `isDeletion`: of an entry that was deleted not even the last message stays. */
  async run(filter: string, isDeletion: Says = () => false): Promise<void> {
    const newest = await lastMessage(this.#domain, filter)
    const before = this.#compacted.get(filter)
    if (newest === undefined || newest.sequence <= (before ?? 0)) return
    if (before === undefined) {
      await inParallel(await this.#crowded(filter), async subject => {
        const last = await lastMessage(this.#domain, subject)
        if (last !== undefined) await this.#keepOnly(last, isDeletion)
      })
      this.#compacted.set(filter, newest.sequence)
      return
    }
    let seen = before
    /** By subject. */
    const written = new Map<string, StoredMessage>()
    for await (const message of upToNow(this.#domain, filter, { sequence: before + 1 })) {
      seen = message.sequence
      written.set(message.subject, message)
    }
    await inParallel(written.values(), message => this.#keepOnly(message, isDeletion))
    this.#compacted.set(filter, seen)
  }

  /** Takes away tombstones that are older than a day. */
  async clearTombstones(filter: string, isTombstone: Says): Promise<void> {
    const due = Date.now() - tombstoneStays
    const from = (this.#cleared.get(filter) ?? 0) + 1
    // Most of the time the first one is not due yet.
    const first = await nextMessage(this.#domain, filter, from)
    if (first === undefined || first.time > due) return
    for await (const message of upToNow(this.#domain, filter, { sequence: from })) {
      if (message.time > due) return
      if (isTombstone(message)) await purge(this.#domain, message.subject, message.sequence + 1)
      this.#cleared.set(filter, message.sequence)
    }
  }

  /** Only up to what was seen: somebody may write at this moment. */
  async #keepOnly(message: StoredMessage, isDeletion: Says): Promise<void> {
    await purge(this.#domain, message.subject, message.sequence + (isDeletion(message) ? 1 : 0))
  }

  /** Subjects that have several messages. */
  async #crowded(filter: string): Promise<string[]> {
    const { manager, stream, patience } = this.#domain
    const { state } = await patience.request('listing subjects', () =>
      manager.streams.info(stream, { subjects_filter: filter }),
    )
    return Object.entries<number>(state.subjects ?? {}).flatMap(([subject, count]) => (count > 1 ? [subject] : []))
  }
}
