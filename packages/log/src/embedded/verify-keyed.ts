import { AegisError, type StorageReader } from '@aegis/storage'
import { decodeRecordBatch } from '../batch/decode.ts'
import type { BatchRecord } from '../batch/layout.ts'
import { headKey, historyKey, latestKey, readU64, Space, topicRange, unescaped } from '../keys.ts'
import { keyedEntryBytes } from './append.ts'
import { versionOf } from './record-version.ts'
import type { TopicConfig } from './topic-state.ts'
import { type Findings, hex } from './verify-report.ts'

const sameBytes = (a: Uint8Array | null, b: Uint8Array | null): boolean =>
  a === null || b === null ? a === b : Buffer.compare(a, b) === 0

/** Whether what can be read by key is what the records say. */
export interface KeyedCheck {
  /** Compares the records of one batch with the index. */
  batch(records: readonly BatchRecord[]): Promise<void>
  /** Compares the index with itself and with what was compared with it. */
  end(): Promise<void>
}

export function keyedCheck(reader: StorageReader, topic: TopicConfig, findings: Findings): KeyedCheck {
  if (topic.keyed === 'latest') return latestCheck(reader, topic, findings)
  if (topic.keyed === 'history') return historyCheck(reader, topic, findings)
  return { batch: async () => undefined, end: async () => undefined }
}

function latestCheck(reader: StorageReader, { id, name }: TopicConfig, findings: Findings): KeyedCheck {
  const problem = (key: Uint8Array, reason: string): void => findings.add({ topic: name, key: hex(key), reason })
  let matched = 0
  return {
    async batch(records) {
      const keyed = records.filter(({ key }) => key !== null)
      const entries = await reader.getMany(keyed.map(({ key }) => latestKey(id, key!)))
      for (const [at, { key, offset, value }] of keyed.entries()) {
        const entry = entries[at]
        if (entry === undefined) problem(key!, `the record at ${offset} has no entry for its key`)
        else if (readU64(entry, 4) < offset)
          problem(key!, `the entry for the key is older than the record at ${offset}`)
        else if (readU64(entry, 4) === offset) {
          matched++
          if (!sameBytes(entryRecords(entry)[0]?.value ?? null, value)) problem(key!, 'the entry has another value')
        }
      }
    },
    async end() {
      let count = 0
      for await (const chunk of reader.range(topicRange(Space.latest, id))) {
        for (const [key, entry] of chunk) {
          count++
          const record = entryRecords(entry)[0]
          const indexed = unescaped(key, 5)
          if (record === undefined || !sameBytes(record.key, indexed)) problem(indexed, 'the entry is not of its key')
        }
      }
      if (count !== matched) {
        findings.add({ topic: name, reason: `${count} keys have an entry, ${matched} of them fit a record` })
      }
    },
  }
}

function historyCheck(reader: StorageReader, { id, name }: TopicConfig, findings: Findings): KeyedCheck {
  const problem = (key: Uint8Array, reason: string): void => findings.add({ topic: name, key: hex(key), reason })
  return {
    async batch(records) {
      const keyed = records.filter(({ key }) => key !== null)
      const heads = await reader.getMany(keyed.map(({ key }) => headKey(id, key!)))
      for (const [at, record] of keyed.entries()) {
        const head = heads[at]
        const { version } = versionOf(record)
        if (head === undefined || readU64(head, 0) <= version) {
          problem(record.key!, `version ${version} of the key is not counted in its head`)
        }
      }
    },
    async end() {
      for await (const chunk of reader.range(topicRange(Space.head, id))) {
        const keys = chunk.map(([key]) => unescaped(key, 5))
        const newest = await reader.getMany(
          chunk.map(([, head], at) => historyKey(id, keys[at]!, readU64(head, 0) - 1)),
        )
        for (const [at, entry] of newest.entries()) {
          if (entry === undefined) problem(keys[at]!, 'the newest records of the key are missing')
        }
      }
      let before: { key: string; last: number } | undefined
      for await (const chunk of reader.range(topicRange(Space.history, id))) {
        for (const [stored, entry] of chunk) {
          const key = unescaped(stored, 5)
          const first = readU64(entry, 4)
          const last = readU64(stored, stored.length - 8)
          if (first + entryRecords(entry).length - 1 !== last) problem(key, `versions ${first} to ${last} do not fit`)
          if (before?.key === hex(key) && before.last + 1 !== first) {
            problem(key, `versions ${before.last + 1} to ${first - 1} are missing`)
          }
          before = { key: hex(key), last }
        }
      }
    },
  }
}

function entryRecords(entry: Uint8Array): readonly BatchRecord[] {
  try {
    return decodeRecordBatch(entry.subarray(keyedEntryBytes)).records
  } catch (error) {
    if (AegisError.is(error)) return []
    throw error
  }
}
