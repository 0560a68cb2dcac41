import { latestKey } from '../../keys.ts'
import { latestOffset, latestVersion } from '../latest-entry.ts'
import type { TopicState } from '../topic-state.ts'
import { type Compaction, type CompactionHost, compactPartition } from './compact-partition.ts'

/** A tombstone stays so long, in milliseconds, for those who follow to see it. Kafka's `delete.retention.ms`. */
const tombstoneTime = 86_400_000

/** Takes away the records of a `'latest'` topic that are not the last of their key, where half of a partition is new. */
export async function compactLatest(host: CompactionHost, topic: TopicState, stopped: () => boolean): Promise<void> {
  for (const partition of topic.partitions) {
    const { bytes, compactedBytes } = partition.durable
    // Then each byte is rewritten a few times at most. Kafka's `min.cleanable.dirty.ratio`.
    if (bytes === 0 || bytes - compactedBytes < Math.max(1, compactedBytes)) continue
    const kept = await compactPartition(host, topic, partition, lastOfKeys(host, topic), stopped)
    if (kept === undefined) return
    await host.sequencer.write(stage => stage.change(topic, partition, () => ({ compactedBytes: kept })))
  }
}

/** The index says which record is its key's last, so nothing has to be gathered in memory. */
function lastOfKeys({ storage, now }: CompactionHost, { config: { id } }: TopicState): Compaction {
  const entryKey = (key: Uint8Array | null): Uint8Array => latestKey(id, key ?? new Uint8Array())
  return {
    merges: true,
    async judge(records) {
      const entries = await storage.getMany(records.map(({ record }) => entryKey(record.key)))
      const old = now() - tombstoneTime
      return records.map(({ record, appendTime }, at) => {
        const entry = entries[at]
        if (entry === undefined || latestOffset(entry) !== record.offset) return true
        return record.value === null && appendTime < old
      })
    },
    taken: {
      reads: ({ key, value }) => (value === null ? [entryKey(key)] : []),
      /** The key of a tombstone that is gone is as if it had never been. */
      stage({ key, value, offset }, stage) {
        if (value !== null) return
        const entry = stage.get(entryKey(key))
        // It may have been written again in the meantime.
        const same = entry !== undefined && latestOffset(entry) === offset && latestVersion(entry) === 'no-stream'
        if (same) stage.delete(entryKey(key))
      },
    },
  }
}
