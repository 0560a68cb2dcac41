import { AegisError, type StorageReader } from '@aegis/storage'
import { headKey, keyAt, pageKey, readU64, unescaped } from '../../keys.ts'
import type { KeyedRecord, KeyHistoryOptions } from '../../log.ts'
import { assertKeyed, keyedRange } from '../keyed-reads.ts'
import type { TopicState } from '../topic-state.ts'
import { readEntries } from './entries.ts'
import { decodeHead, emptyHead, type HistoryHead, type Page } from './head.ts'

export interface FoundHistory {
  /** The version that the next record of the key gets. */
  readonly count: number
  readonly records: KeyedRecord[]
}

/** Where heads and pages are read from. */
export interface HistoryReader {
  get(key: Uint8Array): Promise<Uint8Array | undefined> | Uint8Array | undefined
  getMany: StorageReader['getMany']
}

/** The newest record alone. */
export const newest = { reverse: true, limit: 1 } as const

/** How often a history is looked up again whose pages were folded between reading which there are and reading them. */
const attempts = 10

/** @throws AegisError `LOG_INVALID` */
export function checkHistoryOptions({ from, limit, maxBytes }: KeyHistoryOptions): void {
  if (from !== undefined && !(Number.isSafeInteger(from) && from >= 0)) {
    throw new AegisError('LOG_INVALID', `from is ${String(from)}: give a version`)
  }
  if (limit !== undefined && limit !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new AegisError('LOG_INVALID', `limit is ${String(limit)}: give a number of records`)
  }
  if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0)) {
    throw new AegisError('LOG_INVALID', `maxBytes is ${String(maxBytes)}: give a whole number of at least 1`)
  }
}

/** The versions that are asked for: from the first up to the second, not included. */
function versions({ count, start }: HistoryHead, options: KeyHistoryOptions): readonly [number, number] {
  const { from, limit = Number.POSITIVE_INFINITY, reverse = false } = options
  if (reverse) {
    const end = Math.min(count, (from ?? count) + 1)
    return [Math.max(start, end - limit), end]
  }
  const first = Math.max(start, from ?? 0)
  return [first, Math.min(count, first + limit)]
}

/** Of the versions those whose pages have not many more than `maxBytes`. */
function bounded(
  { pages }: HistoryHead,
  [from, end]: readonly [number, number],
  { maxBytes, reverse = false }: KeyHistoryOptions,
): readonly [number, number] {
  if (maxBytes === undefined) return [from, end]
  let bytes = 0
  for (const page of reverse ? pages.toReversed() : pages) {
    if (page.first >= end || page.last < from) continue
    bytes += page.bytes
    if (bytes >= maxBytes) return reverse ? [Math.max(from, page.first), end] : [from, Math.min(end, page.last + 1)]
  }
  return [from, end]
}

/** The first of the records until their values have `maxBytes`; one at least. */
export function withinBytes(records: KeyedRecord[], maxBytes: number | undefined): KeyedRecord[] {
  if (maxBytes === undefined) return records
  let bytes = 0
  const last = records.findIndex(({ value }) => (bytes += value?.length ?? 0) >= maxBytes)
  return last < 0 ? records : records.slice(0, last + 1)
}

/** The records of a key, as many as asked for: one read for the newest ones, two when older ones are among them. */
export async function readHistory(
  reader: HistoryReader,
  topic: TopicState,
  key: Uint8Array,
  options: KeyHistoryOptions,
): Promise<FoundHistory> {
  assertKeyed(topic, 'history')
  checkHistoryOptions(options)
  const { id, name } = topic.config
  const storageKey = headKey(id, key)
  for (let attempt = 0; attempt < attempts; attempt++) {
    const stored = await reader.get(storageKey)
    const head = stored === undefined ? emptyHead : decodeHead(stored)
    const [from, end] = bounded(head, versions(head, options), options)
    const wanted = from < head.newestFirst ? head.pages.filter(({ first, last }) => first < end && last >= from) : []
    const pages = wanted.length === 0 ? [] : await readPages(reader, storageKey, wanted)
    if (pages === undefined) continue
    const records: KeyedRecord[] = []
    for (const { first, entries } of pages) readEntries(name, key, entries, first, from, end, records)
    readEntries(name, key, head.newest, head.newestFirst, from, end, records)
    if (records.length !== Math.max(0, end - from)) break
    if (options.reverse === true) records.reverse()
    return { count: head.count, records: withinBytes(records, options.maxBytes) }
  }
  const text = JSON.stringify(Buffer.from(key).toString('utf8').slice(0, 200))
  throw new AegisError('BATCH_INVALID', `records of key ${text} of topic ${name} are missing: verify the storage`)
}

interface ReadPage {
  readonly first: number
  readonly entries: Uint8Array
}

/** `undefined` when they are not as they were listed any more. */
async function readPages(
  reader: HistoryReader,
  storageKey: Uint8Array,
  pages: readonly Page[],
): Promise<readonly ReadPage[] | undefined> {
  const values = await reader.getMany(pages.map(({ last }) => pageKey(storageKey, last)))
  const read: ReadPage[] = []
  for (const [n, value] of values.entries()) {
    const { first, bytes } = pages[n]!
    if (value === undefined || value.length !== bytes || readU64(value, 0) !== first) return undefined
    read.push({ first, entries: value.subarray(8) })
  }
  return read
}

/** The newest records of all histories with a prefix, in byte order of their keys; those without a record are left out. */
export async function* scanHistories(
  reader: StorageReader,
  topic: TopicState,
  prefix: Uint8Array,
): AsyncGenerator<KeyedRecord> {
  for await (const heads of reader.range(keyedRange(topic, prefix))) {
    for (const [storageKey, stored] of heads) {
      // Looked up again only when its pages were folded since.
      let head: Uint8Array | undefined = stored
      const get = (key: Uint8Array): ReturnType<HistoryReader['get']> => {
        const known = head
        head = undefined
        return known ?? reader.get(key)
      }
      const found = { get, getMany: reader.getMany.bind(reader) }
      const { records } = await readHistory(found, topic, unescaped(storageKey, keyAt), newest)
      yield* records
    }
  }
}
