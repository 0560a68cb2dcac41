import type { StorageReader } from '@aegis/storage'
import type { BatchRecord } from '../batch/layout.ts'
import { headKey, latestKey, pageKey, readU64, Space, topicRange, unescaped } from '../keys.ts'
import { entryCount } from './history/entries.ts'
import { countOf, decodeHead } from './history/head.ts'
import { latestOffset, latestRecord } from './latest-entry.ts'
import { storedVersion } from './record-version.ts'
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
        else if (latestOffset(entry) < offset)
          problem(key!, `the entry for the key is older than the record at ${offset}`)
        else if (latestOffset(entry) === offset) {
          matched++
          if (!sameBytes(latestRecord(entry)?.value ?? null, value)) problem(key!, 'the entry has another value')
        }
      }
    },
    async end() {
      let count = 0
      for await (const chunk of reader.range(topicRange(Space.latest, id))) {
        for (const [key, entry] of chunk) {
          count++
          const indexed = unescaped(key, 5)
          const record = latestRecord(entry)
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
        const version = storedVersion(record)
        if (version === undefined) problem(record.key!, `the record at ${record.offset} has no version`)
        else if (head === undefined || countOf(head) <= version) {
          problem(record.key!, `version ${version} of the key is not counted in its head`)
        }
      }
    },
    async end() {
      let listed = 0
      for await (const chunk of reader.range(topicRange(Space.head, id))) {
        for (const [stored, value] of chunk) {
          const { count, pages, newestFirst, newest } = decodeHead(value)
          const key = unescaped(stored, 5)
          listed += pages.length
          if (entryCount(newest) !== count - newestFirst) problem(key, 'the newest records of the key are missing')
          const found = await reader.getMany(pages.map(({ last }) => pageKey(stored, last)))
          for (const [at, page] of found.entries()) {
            const { first, last } = pages[at]!
            const fits = page !== undefined && readU64(page, 0) === first
            if (!fits) problem(key, `versions ${first} to ${last} are missing`)
            else if (entryCount(page.subarray(8)) !== last - first + 1)
              problem(key, `versions ${first} to ${last} do not fit`)
          }
        }
      }
      let there = 0
      for await (const chunk of reader.range(topicRange(Space.history, id))) there += chunk.length
      if (there !== listed) findings.add({ topic: name, reason: `${there} pages of histories, ${listed} are listed` })
    },
  }
}
