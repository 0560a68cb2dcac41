import type { Keyed, KeyedRecord, KeyHistoryOptions, LogRecord } from '@aegis/log'
import { partitionForKey } from '@aegis/log'
import { checkHistoryOptions, withinBytes } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import { lastMessage, messagesFrom, nextMessage } from './messages.ts'
import { keyOf, recordCount, recordsOf, versionsOf } from './record-message.ts'
import type { StoredMessage } from './stored-message.ts'
import type { Topic } from './topic.ts'
import { lastOfEach } from './up-to-now.ts'

/** @throws AegisError `LOG_INVALID` */
export function checkKeyed({ config: { name, keyed } }: Topic, operation: string, kinds: readonly Keyed[]): void {
  if (kinds.includes(keyed)) return
  throw new AegisError(
    'LOG_INVALID',
    `${operation} of topic ${name}: it is keyed ${keyed}, and must be ${kinds.join(' or ')}`,
  )
}

export const keySubject = ({ subjects }: Domain, { config }: Topic, key: Uint8Array): string =>
  subjects.key(config.incarnation, partitionForKey(key, config.partitions), key)

export const keysSubject = ({ subjects }: Domain, { config }: Topic): string => subjects.keys(config.incarnation, '*')

const versioned = (record: LogRecord): KeyedRecord => {
  const { topic, partition, offset, timestamp, key, value, headers, version = offset } = record
  return { topic, partition, offset, timestamp, key, value, headers, version }
}

const partitionOf = ({ subject }: StoredMessage): number => Number(subject.split('.').at(-2))

/** The last record of a key whose last message this is; `undefined` for a tombstone on a `'latest'` topic. */
export async function newestRecord(
  domain: Domain,
  topic: Topic,
  message: StoredMessage | undefined,
): Promise<KeyedRecord | undefined> {
  if (message === undefined) return undefined
  const { name, keyed } = topic.config
  if (keyed === 'history' && recordCount(message) === 0) {
    const { last, kept } = versionsOf(message)
    const key = keyOf(message)
    if (kept > last || key === null) return undefined
    // The last message only says what was taken away.
    const options = { reverse: true, limit: 1 }
    return (await readHistory(domain, topic, key, options, () => Promise.resolve(message))).records[0]
  }
  const record = recordsOf(name, partitionOf(message), message, 0, keyed === 'history').at(-1)
  if (record === undefined || (keyed === 'latest' && record.value === null)) return undefined
  return versioned(record)
}

interface KeyHistory {
  readonly records: KeyedRecord[]
  /** How many records the key has. */
  readonly count: number
}

/**
 * The records of a key up to its last message, which `readLast` finds. Reads nothing but the key's messages; often one request is
 * enough, because the last message says how many records are before it.
 */
export async function readHistory(
  domain: Domain,
  topic: Topic,
  key: Uint8Array,
  options: KeyHistoryOptions,
  readLast = (subject: string): Promise<StoredMessage | undefined> => lastMessage(domain, subject),
): Promise<KeyHistory> {
  checkKeyed(topic, 'history', ['history'])
  checkHistoryOptions(options)
  const subject = keySubject(domain, topic, key)
  let last = await readLast(subject)
  for (let attempt = 1; last !== undefined; attempt++) {
    const found = await readUpTo(domain, topic, subject, last, options)
    if (!hasHole(found.records)) return found
    if (attempt === mostAttempts) {
      throw new AegisError(
        'RECORDS_MISSING',
        `the history of a key of topic ${topic.config.name} has a hole: ${mostAttempts} times it was read without some of its records`,
        { details: { topic: topic.config.name, key: Buffer.from(key).toString('hex') } },
      )
    }
    // It has been written to; a transaction that goes by the one before is refused for that.
    last = await lastMessage(domain, subject)
  }
  return { records: [], count: 0 }
}

const mostAttempts = 10

/** What was truncated and freed while it was read is missing from its middle. */
const hasHole = (records: readonly KeyedRecord[]): boolean =>
  records.some(({ version }, at) => at > 0 && Math.abs(version - records[at - 1]!.version) !== 1)

async function readUpTo(
  domain: Domain,
  topic: Topic,
  subject: string,
  last: StoredMessage,
  options: KeyHistoryOptions,
): Promise<KeyHistory> {
  const { last: newest, kept } = versionsOf(last)
  const count = newest + 1
  const { first, end } = versions(count, kept, options)
  const { maxBytes, reverse = false } = options
  const read = (from: number, to: number): Promise<KeyedRecord[]> =>
    recordsBetween(domain, topic, subject, last, from, to, reverse ? undefined : maxBytes)
  if (!reverse || maxBytes === undefined) {
    const records = await read(first, end)
    return { records: withinBytes(reverse ? records.reverse() : records, maxBytes), count }
  }
  // Messages are read forwards only: a piece before the other, until there are as many bytes.
  const records: KeyedRecord[] = []
  let bytes = 0
  for (let to = end; to > first && bytes < maxBytes; to -= pieceRecords) {
    const piece = await read(Math.max(first, to - pieceRecords), to)
    for (const { value } of piece) bytes += value?.length ?? 0
    records.push(...piece.reverse())
  }
  return { records: withinBytes(records, maxBytes), count }
}

const pieceRecords = 64

/** The records of a key of versions from `first` up to `end`, not included, or fewer when they have `maxBytes`. */
async function recordsBetween(
  domain: Domain,
  topic: Topic,
  subject: string,
  last: StoredMessage,
  first: number,
  end: number,
  maxBytes = Infinity,
): Promise<KeyedRecord[]> {
  const records: KeyedRecord[] = []
  let bytes = 0
  const take = (message: StoredMessage): void => {
    for (const record of recordsOf(topic.config.name, partitionOf(message), message, 0, true)) {
      if (record.version === undefined || record.version < first || record.version >= end) continue
      records.push(versioned(record))
      bytes += record.value?.length ?? 0
    }
  }
  if (first < Math.min(end, versionsOf(last).first)) {
    const from = await sequenceBefore(domain, subject, first, last)
    for await (const message of messagesFrom(domain, subject, from, last.sequence)) {
      if (message.sequence >= last.sequence) break
      const newest = versionsOf(message).last
      if (newest >= first) take(message)
      if (newest + 1 >= end || bytes >= maxBytes) return records
    }
  }
  take(last)
  return records
}

/** The versions that are asked for: from the first up to the end, not included. */
function versions(
  count: number,
  kept: number,
  { from, limit = Infinity, reverse = false }: KeyHistoryOptions,
): { readonly first: number; readonly end: number } {
  if (!reverse) {
    const first = Math.max(from ?? 0, kept)
    return { first, end: Math.min(count, first + limit) }
  }
  const end = Math.min(count, (from ?? count) + 1)
  return { first: Math.max(kept, end - limit), end }
}

/** Reading everything before a late version would cost more than looking for its place. */
const worthSearching = 500

/** A sequence at or before the message that holds a version; `last` is the subject's last message. */
export async function sequenceBefore(
  domain: Domain,
  subject: string,
  version: number,
  last: StoredMessage,
): Promise<number> {
  if (version < worthSearching) return 1
  let low = 1
  let high = last.sequence
  while (high - low > worthSearching) {
    const middle = Math.floor((low + high) / 2)
    const message = await nextMessage(domain, subject, middle)
    if (message === undefined || versionsOf(message).last >= version) high = middle
    else low = message.sequence
  }
  return low
}

/** The last records of all keys with a prefix, in byte order. */
export async function scanKeys(domain: Domain, topic: Topic, prefix: Uint8Array): Promise<KeyedRecord[]> {
  checkKeyed(topic, 'scan', ['latest', 'history'])
  const rows = new Map<string, KeyedRecord>()
  for await (const message of lastOfEach(domain, keysSubject(domain, topic))) {
    const record = await newestRecord(domain, topic, message)
    if (record === undefined || !startsWith(record.key, prefix)) rows.delete(message.subject)
    else rows.set(message.subject, record)
  }
  return [...rows.values()].sort((a, b) => Buffer.compare(a.key!, b.key!))
}

export const startsWith = (key: Uint8Array | null, prefix: Uint8Array): boolean =>
  key !== null && key.length >= prefix.length && Buffer.compare(key.subarray(0, prefix.length), prefix) === 0
