import { AegisError } from '@aegis/storage'
import type { BatchRecord } from '../../batch/layout.ts'
import { headKey, pageKey, u64 } from '../../keys.ts'
import { partitionForKey } from '../../partitioner.ts'
import { keyText, type Stage } from '../stage.ts'
import type { TopicState } from '../topic-state.ts'
import { encodeEntry, sizeOfEntries } from './entries.ts'
import { addToHead, countOf, decodeHead, encodeHead, type HistoryHead, newestFirstOf, newestOf } from './head.ts'

/**
 * The newest records are rewritten with each append to their key, up to so many bytes: then they become a page. Measured
 * in docs/decisions/023.
 */
const newestBytes = 2_000

/** What an append adds to one history. */
interface Added {
  readonly headKey: Uint8Array
  readonly stored: Uint8Array | undefined
  readonly entries: Uint8Array[]
  bytes: number
}

/** What one append adds to histories: all records of a key are added at once. */
export class Histories {
  readonly #stage: Stage
  readonly #topicId: number
  readonly #added = new Map<string, Added>()
  /** The key of the record before: most appends are to one key. */
  #last: { readonly key: Uint8Array; readonly added: Added } | undefined

  constructor(stage: Stage, topicId: number) {
    this.#stage = stage
    this.#topicId = topicId
  }

  /** Returns the record's version. */
  add(key: Uint8Array, record: BatchRecord, partition: number): number {
    const added = this.#last?.key === key ? this.#last.added : this.#of(key)
    const entry = encodeEntry(record, partition)
    added.bytes += entry.length
    return (added.stored === undefined ? 0 : countOf(added.stored)) + added.entries.push(entry) - 1
  }

  extend(): void {
    for (const [id, added] of this.#added) extendHistory(this.#stage, id, added)
  }

  #of(key: Uint8Array): Added {
    const storageKey = headKey(this.#topicId, key)
    const id = keyText(storageKey)
    let added = this.#added.get(id)
    if (added === undefined) {
      added = { headKey: storageKey, stored: this.#stage.get(storageKey, id), entries: [], bytes: 0 }
      this.#added.set(id, added)
    }
    this.#last = { key, added }
    return added
  }
}

function extendHistory(stage: Stage, id: string, { headKey, stored, entries, bytes }: Added): void {
  const before = stored === undefined ? new Uint8Array() : newestOf(stored)
  const count = entries.length
  if (before.length + bytes <= newestBytes) {
    stage.give(headKey, addToHead(stored, { count, newest: entries }), id)
    return
  }
  // What is large goes with the others into the page; what is small begins the newest ones anew.
  const large = 2 * bytes >= newestBytes
  const first = stored === undefined ? 0 : newestFirstOf(stored)
  const value = Buffer.concat([u64(first), before, ...(large ? entries : [])])
  const last = (stored === undefined ? 0 : countOf(stored)) + (large ? count : 0) - 1
  stage.put(pageKey(headKey, last), value)
  const page = { first, last, bytes: value.length }
  stage.give(headKey, addToHead(stored, { count, page, newest: large ? [] : entries }), id)
}

export function checkVersion(before: number): void {
  if (Number.isSafeInteger(before) && before >= 0) return
  throw new AegisError('LOG_INVALID', `before is ${String(before)}: give the version of the first record that stays`)
}

/** Takes away the records of a history below a version. The count stays: versions are never given out twice. */
export function truncateHistory(stage: Stage, topic: TopicState, key: Uint8Array, before: number): void {
  const storageKey = headKey(topic.config.id, key)
  const stored = stage.get(storageKey)
  if (stored === undefined) return
  const head = decodeHead(stored)
  const start = Math.min(before, head.count)
  if (start <= head.start) return
  for (const { last } of head.pages) if (last < start) stage.delete(pageKey(storageKey, last))
  stage.give(storageKey, encodeHead(truncated(head, start)))
  // Where they lie in the feed, unless they were given a partition: for the sum over all it makes no difference.
  const partition = topic.partitions[partitionForKey(key, topic.partitions.length)]!
  const added = start - head.start
  stage.change(topic, partition, figures => ({ truncated: figures.truncated + added }))
}

function truncated(head: HistoryHead, start: number): HistoryHead {
  const pages = head.pages.filter(({ last }) => last >= start)
  if (start <= head.newestFirst) return { ...head, start, pages }
  const newest = head.newest.subarray(sizeOfEntries(head.newest, start - head.newestFirst))
  return { ...head, start, pages, newestFirst: start, newest }
}
