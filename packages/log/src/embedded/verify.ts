import type { Progress, ScanOptions, StorageReader } from '@aegis/storage'
import { deletedKey, Space, spacesOfTopic, u32 } from '../keys.ts'
import type { Log } from '../log.ts'
import { embedded } from './backup.ts'
import { decodeFigures } from './partition-state.ts'
import type { TopicConfig } from './topic-state.ts'
import { keyedCheck } from './verify-keyed.ts'
import { verifyPartition } from './verify-partition.ts'
import { Findings, type LogReport } from './verify-report.ts'

/** What the storage's own part takes, roughly. */
const storagePart = 0.4
/**
 * Reads everything that a log has stored, as of this moment, while it is used: every value and block has its checksum,
 * every batch can be read and follows the one before it, figures, keys and positions fit with the records.
 *
 * A log that was damaged, or opened with `allowLoss`, is told by this; nothing is changed.
 * @throws AegisError `LOG_INVALID` for a log that is not in a folder or in memory here
 */
export async function verifyLog(log: Log, { onProgress, signal }: ScanOptions = {}): Promise<LogReport> {
  const { database } = embedded(log)
  const scaled = (progress: Progress): void => onProgress?.({ ...progress, fraction: progress.fraction * storagePart })
  const storage = await database.verify({ onProgress: scaled, ...(signal && { signal }) })
  const findings = new Findings()
  let topics: TopicConfig[] = []
  if (storage.damage.length === 0) {
    await using snapshot = database.snapshot()
    topics = await readTopics(snapshot)
    await findOrphans(snapshot, new Set(topics.map(({ id }) => id)), findings)
    const total = await storedBytes(snapshot)
    let done = 0
    const onBatch = (bytes: number): void => {
      done += bytes
      onProgress?.({ ...storage, fraction: Math.min(1, storagePart + ((1 - storagePart) * done) / total) })
    }
    for (const topic of topics) await verifyTopic(snapshot, topic, findings, signal, onBatch)
  }
  onProgress?.({ ...storage, fraction: 1 })
  const { batches, records, problems } = findings
  const sound = storage.damage.length === 0 && problems.length === 0
  return { sound, storage, topics: topics.length, batches, records, problems }
}

async function verifyTopic(
  reader: StorageReader,
  topic: TopicConfig,
  findings: Findings,
  signal: AbortSignal | undefined,
  onBatch: (bytes: number) => void,
): Promise<void> {
  const keyed = keyedCheck(reader, topic, findings)
  for (let partition = 0; partition < topic.partitions; partition++) {
    await verifyPartition({
      reader,
      topic,
      partition,
      findings,
      signal,
      async onBatch(records, bytes) {
        await keyed.batch(records)
        onBatch(bytes)
      },
    })
  }
  signal?.throwIfAborted()
  await keyed.end()
}

async function readTopics(reader: StorageReader): Promise<TopicConfig[]> {
  const topics: TopicConfig[] = []
  for await (const chunk of reader.range({ gte: Uint8Array.of(Space.topic), lt: Uint8Array.of(Space.topic + 1) })) {
    for (const [, value] of chunk) topics.push(JSON.parse(Buffer.from(value).toString('utf8')))
  }
  return topics
}

async function storedBytes(reader: StorageReader): Promise<number> {
  let bytes = 0
  for await (const chunk of reader.range({
    gte: Uint8Array.of(Space.partition),
    lt: Uint8Array.of(Space.partition + 1),
  })) {
    for (const [, row] of chunk) bytes += decodeFigures(row).bytes
  }
  return bytes
}

/** What belongs to no topic, neither one that is there nor one that is being cleared away. One seek for each topic. */
async function findOrphans(reader: StorageReader, known: ReadonlySet<number>, findings: Findings): Promise<void> {
  for (const space of spacesOfTopic) {
    for (let from: number | undefined = 0; from !== undefined; ) {
      const gte = Buffer.concat([Uint8Array.of(space), u32(from)])
      from = undefined
      for await (const chunk of reader.range({ gte, lt: Uint8Array.of(space + 1), limit: 1 })) {
        const id = Buffer.from(chunk[0]![0]).readUInt32BE(1)
        if (!known.has(id) && (await reader.get(deletedKey(id))) === undefined) {
          findings.add({ reason: `there is data of a topic with number ${id}, and no such topic` })
        }
        from = id + 1
      }
    }
  }
}
