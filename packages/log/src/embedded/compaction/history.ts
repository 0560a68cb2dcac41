import { headKey } from '../../keys.ts'
import { startOf } from '../history/head.ts'
import { storedVersion } from '../record-version.ts'
import { keyText } from '../stage.ts'
import type { TopicState } from '../topic-state.ts'
import { type Compaction, type CompactionHost, compactPartition } from './compact-partition.ts'

/**
 * Takes the records that were truncated out of the feed of a `'history'` topic, when they are half of it: then what is read for
 * it is at most twice what is given back. KurrentDB's scavenge, by itself.
 */
export async function compactHistory(host: CompactionHost, topic: TopicState, stopped: () => boolean): Promise<void> {
  const sum = (of: 'truncated' | 'there'): number =>
    topic.partitions.reduce((total, { durable: { truncated, endOrdinal, startOrdinal, compacted } }) => {
      return total + (of === 'truncated' ? truncated : endOrdinal - startOrdinal - compacted)
    }, 0)
  const counted = sum('truncated')
  if (counted === 0 || 2 * counted < sum('there')) return
  for (const partition of topic.partitions) {
    const { truncated } = partition.durable
    const kept = await compactPartition(host, topic, partition, truncatedRecords(host, topic), stopped)
    if (kept === undefined) return
    if (truncated === 0) continue
    // What was truncated meanwhile may still be there.
    await host.sequencer.write(stage =>
      stage.change(topic, partition, figures => ({ truncated: Math.max(0, figures.truncated - truncated) })),
    )
  }
}

function truncatedRecords({ storage }: CompactionHost, { config: { id } }: TopicState): Compaction {
  return {
    // Small batches alone are no reason to write all of it again.
    merges: false,
    async judge(records) {
      const heads = new Map<string, Uint8Array>()
      const headOf = (key: Uint8Array | null): Uint8Array => headKey(id, key ?? new Uint8Array())
      for (const { record } of records) heads.set(keyText(headOf(record.key)), headOf(record.key))
      const stored = await storage.getMany([...heads.values()])
      const starts = new Map([...heads.keys()].map((head, at) => [head, stored[at] && startOf(stored[at])]))
      return records.map(({ record }) => {
        const start = starts.get(keyText(headOf(record.key))) ?? 0
        return (storedVersion(record) ?? start) < start
      })
    },
  }
}
