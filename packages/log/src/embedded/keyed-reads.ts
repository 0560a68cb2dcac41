import { AegisError, type StorageReader } from '@aegis/storage'
import { decodeRecordBatch } from '../batch/decode.ts'
import { afterPrefix, escaped, headKey, historyKey, latestKey, readU64, Space, stateKey, u32 } from '../keys.ts'
import type { Keyed, KeyedRecord, KeyHistoryOptions } from '../log.ts'
import { keyedEntryBytes } from './append.ts'
import type { TopicState } from './topic-state.ts'

function assertKeyed({ config: { name, keyed } }: TopicState, ...wanted: Keyed[]): void {
  if (wanted.includes(keyed)) return
  throw new AegisError('LOG_INVALID', `topic ${name} is keyed '${keyed}': this is for ${wanted.join(' and ')} topics`)
}

function decodeEntry(topic: TopicState, value: Uint8Array): KeyedRecord[] {
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.length)
  const partition = buffer.readUInt32BE(0)
  const first = readU64(buffer, 4)
  const { name, keyed } = topic.config
  return decodeRecordBatch(buffer.subarray(keyedEntryBytes)).records.map(
    ({ offset, timestamp, key, value: payload, headers }, at) => ({
      topic: name,
      partition,
      offset,
      timestamp,
      key,
      value: payload,
      headers,
      version: keyed === 'history' ? first + at : offset,
    }),
  )
}

export async function getKeyed(
  reader: StorageReader,
  topic: TopicState,
  key: Uint8Array,
): Promise<KeyedRecord | undefined> {
  assertKeyed(topic, 'latest', 'history')
  const { id, keyed } = topic.config
  if (keyed === 'latest') {
    const value = await reader.get(latestKey(id, key))
    return value === undefined || value[12] === 1 ? undefined : decodeEntry(topic, value)[0]
  }
  const head = await reader.get(headKey(id, key))
  if (head === undefined) return undefined
  const chunk = await reader.get(historyKey(id, key, readU64(head, 0) - 1))
  return chunk === undefined ? undefined : decodeEntry(topic, chunk).at(-1)
}

export async function readHistory(
  reader: StorageReader,
  topic: TopicState,
  key: Uint8Array,
  { from = 0, limit = Infinity }: KeyHistoryOptions,
): Promise<KeyedRecord[]> {
  assertKeyed(topic, 'history')
  const { id } = topic.config
  const records: KeyedRecord[] = []
  if (limit <= 0) return records
  const range = { gte: historyKey(id, key, from), lte: historyKey(id, key, Number.MAX_SAFE_INTEGER) }
  for await (const entries of reader.range(range)) {
    for (const [, value] of entries) {
      for (const record of decodeEntry(topic, value)) {
        if (record.version >= from) records.push(record)
        if (records.length === limit) return records
      }
    }
  }
  return records
}

/** Storage keys of a `latest` topic whose record keys start with `prefix`. */
export function latestRange(topic: TopicState, prefix: Uint8Array): { gte: Uint8Array; lt: Uint8Array } {
  assertKeyed(topic, 'latest')
  const gte = Buffer.concat([Uint8Array.of(Space.latest), u32(topic.config.id), escaped(prefix).subarray(0, -2)])
  return { gte, lt: afterPrefix(gte) }
}

export async function* scanLatest(
  reader: StorageReader,
  topic: TopicState,
  prefix: Uint8Array,
): AsyncGenerator<KeyedRecord> {
  for await (const entries of reader.range(latestRange(topic, prefix))) {
    for (const [, value] of entries) if (value[12] !== 1) yield* decodeEntry(topic, value)
  }
}

export function stateRange(space: string, prefix: Uint8Array): { gte: Uint8Array; lt: Uint8Array; skip: number } {
  const gte = stateKey(space, prefix)
  return { gte, lt: afterPrefix(gte), skip: gte.length - prefix.length }
}

export async function* scanState(
  reader: StorageReader,
  space: string,
  prefix: Uint8Array,
): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
  const { gte, lt, skip } = stateRange(space, prefix)
  for await (const entries of reader.range({ gte, lt })) {
    for (const [key, value] of entries) yield [key.subarray(skip), value]
  }
}
