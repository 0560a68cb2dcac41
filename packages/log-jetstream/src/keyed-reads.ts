import type { Keyed, KeyedRecord, KeyHistoryOptions, LogRecord } from '@aegis/log'
import { partitionForKey } from '@aegis/log'
import { checkHistoryOptions } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import { lastOfEach } from './last-of-each.ts'
import { lastMessage, messagesFrom, nextMessage } from './messages.ts'
import { keyOf, recordCount, recordsOf, versionsOf } from './record-message.ts'
import type { StoredMessage } from './stored-message.ts'
import type { Topic } from './topic.ts'

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
  const last = await readLast(subject)
  if (last === undefined) return { records: [], count: 0 }
  const { first: firstOfLast, last: newest, kept } = versionsOf(last)
  const count = newest + 1
  const { from, limit } = forwards(count, kept, options)
  const records: KeyedRecord[] = []
  const take = (message: StoredMessage): void => {
    for (const record of recordsOf(topic.config.name, partitionOf(message), message, 0, true)) {
      if (records.length < limit && record.version !== undefined && record.version >= from) {
        records.push(versioned(record))
      }
    }
  }
  if (from < firstOfLast && limit > 0) {
    for await (const message of messagesFrom(domain, subject, await sequenceBefore(domain, subject, from, last))) {
      if (message.sequence >= last.sequence) break
      if (versionsOf(message).last >= from) take(message)
      if (records.length >= limit) break
    }
  }
  take(last)
  if (options.reverse === true) records.reverse()
  return { records, count }
}

/** The same records, from the oldest of them on. */
function forwards(
  count: number,
  kept: number,
  options: KeyHistoryOptions,
): { readonly from: number; readonly limit: number } {
  const { from, limit = Infinity, reverse = false } = options
  if (!reverse) return { from: Math.max(from ?? 0, kept), limit }
  const end = Math.min(count, (from ?? count) + 1)
  const first = Math.max(kept, end - limit)
  return { from: first, limit: Math.max(0, end - first) }
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
