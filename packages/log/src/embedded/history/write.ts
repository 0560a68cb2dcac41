import { AegisError } from '@aegis/storage'
import type { BatchRecord } from '../../batch/layout.ts'
import { headKey, pageKey, u64 } from '../../keys.ts'
import { partitionForKey } from '../../partitioner.ts'
import { keyText, type Stage } from '../stage.ts'
import type { TopicState } from '../topic-state.ts'
import { encodeEntry, sizeOfEntries } from './entries.ts'
import { countOf, decodeHead, emptyHead, encodeHead, type HistoryHead } from './head.ts'

/**
 * The newest records are rewritten with each append to their key, up to so many bytes: then they become a page. Measured
 * in docs/decisions/023.
 */
const newestBytes = 2_000

/** What one append adds to histories: all records of a key are added at once. */
export class Histories {
  readonly #stage: Stage
  readonly #added = new Map<string, { readonly headKey: Uint8Array; next: number; readonly entries: Uint8Array[] }>()

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** Returns the record's version. */
  add(headKey: Uint8Array, record: BatchRecord, partition: number): number {
    const id = keyText(headKey)
    let added = this.#added.get(id)
    if (added === undefined) {
      const stored = this.#stage.get(headKey)
      this.#added.set(id, (added = { headKey, next: stored === undefined ? 0 : countOf(stored), entries: [] }))
    }
    added.entries.push(encodeEntry(record, partition))
    return added.next++
  }

  extend(): void {
    for (const { headKey, entries } of this.#added.values()) extendHistory(this.#stage, headKey, entries)
  }
}

const pageOf = (first: number, ...entries: readonly Uint8Array[]): Uint8Array => Buffer.concat([u64(first), ...entries])

function extendHistory(stage: Stage, headKey: Uint8Array, entries: readonly Uint8Array[]): void {
  const stored = stage.get(headKey)
  const head = stored === undefined ? emptyHead : decodeHead(stored)
  const added = entries.length === 1 ? entries[0]! : Buffer.concat(entries)
  const count = head.count + entries.length
  if (head.newest.length + added.length <= newestBytes) {
    stage.put(headKey, encodeHead({ ...head, count, newest: Buffer.concat([head.newest, added]) }))
    return
  }
  // What is large goes with the others into the page; what is small begins the newest ones anew.
  const large = 2 * added.length >= newestBytes
  const last = large ? count - 1 : head.count - 1
  const page = large ? pageOf(head.newestFirst, head.newest, added) : pageOf(head.newestFirst, head.newest)
  stage.put(pageKey(headKey, last), page)
  const pages = [...head.pages, { first: head.newestFirst, last, bytes: page.length }]
  const newest = large ? new Uint8Array() : added
  stage.put(headKey, encodeHead({ ...head, count, pages, newestFirst: last + 1, newest }))
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
  stage.put(storageKey, encodeHead(truncated(head, start)))
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
