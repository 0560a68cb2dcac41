import { AegisError, type StorageReader } from '@aegis/storage'
import { afterPrefix, escaped, latestKey, Space, stateKey, u32 } from '../keys.ts'
import type { Keyed, KeyedRecord } from '../log.ts'
import { decodeLatest } from './latest-entry.ts'
import type { TopicState } from './topic-state.ts'

/** @throws AegisError `LOG_INVALID` for a topic that is keyed in another way */
export function assertKeyed({ config: { name, keyed } }: TopicState, ...wanted: Keyed[]): void {
  if (wanted.includes(keyed)) return
  throw new AegisError('LOG_INVALID', `topic ${name} is keyed '${keyed}': this is for ${wanted.join(' and ')} topics`)
}

/** The last record of a key of a `'latest'` topic. */
export async function getLatest(
  reader: StorageReader,
  topic: TopicState,
  key: Uint8Array,
): Promise<KeyedRecord | undefined> {
  assertKeyed(topic, 'latest')
  const { id, name } = topic.config
  const entry = await reader.get(latestKey(id, key))
  return entry === undefined ? undefined : decodeLatest(name, entry)
}

/** Storage keys of a keyed topic, or of the heads of its histories, whose record keys start with `prefix`. */
export function keyedRange(topic: TopicState, prefix: Uint8Array): { gte: Uint8Array; lt: Uint8Array } {
  assertKeyed(topic, 'latest', 'history')
  const space = topic.config.keyed === 'latest' ? Space.latest : Space.head
  const gte = Buffer.concat([Uint8Array.of(space), u32(topic.config.id), escaped(prefix).subarray(0, -2)])
  return { gte, lt: afterPrefix(gte) }
}

export async function* scanLatest(
  reader: StorageReader,
  topic: TopicState,
  prefix: Uint8Array,
): AsyncGenerator<KeyedRecord> {
  for await (const entries of reader.range(keyedRange(topic, prefix))) {
    for (const [, entry] of entries) {
      const record = decodeLatest(topic.config.name, entry)
      if (record !== undefined) yield record
    }
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
