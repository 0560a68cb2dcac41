import { AegisError } from '@aegis/storage'
import { deletedKey, Space, spacesOfTopic, topicRange } from '../keys.ts'
import { oldBatches } from './batch-reader.ts'
import { compactHistory } from './compaction/history.ts'
import { compactLatest } from './compaction/latest.ts'
import type { PartitionState } from './partition-state.ts'
import { isForgettable } from './producers.ts'
import type { Sequencer } from './sequencer.ts'
import type { StoredReads } from './stored-reads.ts'
import type { TopicState } from './topic-state.ts'

const interval = 5_000
/** Producers are looked through so often. */
const producersInterval = 3_600_000
/** Bytes that one step deletes at most: it shares a commit with the appends of that moment. */
const stepBytes = 1_000_000
interface Host {
  readonly storage: StoredReads
  readonly sequencer: Sequencer
  now(): number
  topics(): Iterable<TopicState>
}

/** Gives back the space of what retention, compaction and truncation no longer keep and of deleted topics, in the background and in small steps. */
export class Maintenance {
  readonly #host: Host
  /** Ids of deleted topics whose records may still be there. */
  readonly #deleted: Set<number>
  /** No batch of the partition expires before this time. */
  readonly #due = new WeakMap<PartitionState, { retention: number; time: number }>()
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> = Promise.resolve()
  #stopped = false
  #producersDue = 0
  readonly #warned = new Set<string>()

  constructor(host: Host, deleted: Iterable<number>) {
    this.#host = host
    this.#deleted = new Set(deleted)
    // What fails is tried again at the next turn.
    this.#timer = setInterval(() => void this.run().catch(error => this.#warn(error)), interval)
    this.#timer.unref()
  }

  /** Rounds run one after the other. */
  run(): Promise<void> {
    const round = this.#running.then(() => this.#round())
    this.#running = round.catch(() => undefined)
    return round
  }

  topicDeleted(id: number): Promise<void> {
    this.#deleted.add(id)
    return this.run()
  }

  /** Resolves when no step is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#running
  }

  /** What cannot be done for one topic, for its records are damaged, is no reason to let the others grow. */
  async #round(): Promise<void> {
    const failures: unknown[] = []
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      if (!this.#stopped) await work().catch((error: unknown) => failures.push(error))
    }
    for (const id of this.#deleted) await attempt(() => this.#clear(id))
    for (const topic of [...this.#host.topics()]) await attempt(() => this.#maintain(topic))
    await attempt(() => this.#forgetProducers())
    if (failures.length > 0) throw failures[0]
  }

  async #maintain(topic: TopicState): Promise<void> {
    for (const partition of topic.partitions) await this.#trim(topic, partition)
    const stopped = (): boolean => this.#stopped
    if (topic.config.cleanup === 'compact') await compactLatest(this.#host, topic, stopped)
    if (topic.config.keyed === 'history') await compactHistory(this.#host, topic, stopped)
  }

  /** Once for each reason; what makes everything fail, a fenced storage, shows on the next append. */
  #warn(error: unknown): void {
    const expected = ['LOG_CLOSED', 'STORAGE_FENCED', 'STORAGE_READ_ONLY'].some(code => AegisError.is(error, code))
    const reason = String(error)
    if (expected || this.#warned.has(reason) || this.#warned.size > 100) return
    this.#warned.add(reason)
    process.emitWarning(`The space of the log cannot be given back: ${reason}`, { code: 'AEGIS_LOG_MAINTENANCE' })
  }

  async #forgetProducers(): Promise<void> {
    const { storage, sequencer } = this.#host
    const now = this.#host.now()
    if (now < this.#producersDue) return
    this.#producersDue = now + producersInterval
    for (const topic of [...this.#host.topics()]) {
      const range = { ...topicRange(Space.producer, topic.config.id), chunkBytes: stepBytes }
      for await (const entries of storage.range(range)) {
        if (this.#stopped) return
        const gone = entries.filter(([, stored]) => isForgettable(stored, topic, now)).map(([key]) => key)
        if (gone.length === 0) continue
        await sequencer.submit({
          reads: gone,
          decide: stage => {
            for (const key of gone) {
              // It may have appended in the meantime.
              const stored = stage.get(key)
              if (stored !== undefined && isForgettable(stored, topic, now)) stage.delete(key)
            }
          },
        })
      }
    }
  }

  async #clear(id: number): Promise<void> {
    const { storage, sequencer } = this.#host
    for (const space of spacesOfTopic) {
      for await (const entries of storage.range({ ...topicRange(space, id), chunkBytes: stepBytes })) {
        if (this.#stopped) return
        await sequencer.write(stage => {
          for (const [key] of entries) stage.delete(key)
        })
      }
    }
    await sequencer.write(stage => stage.delete(deletedKey(id)))
    this.#deleted.delete(id)
  }

  async #trim(topic: TopicState, partition: PartitionState): Promise<void> {
    const { storage, sequencer } = this.#host
    while (!this.#stopped && !topic.deleted) {
      const { retention, retentionBytes } = topic.config
      const now = this.#host.now()
      const excess = retentionBytes === null ? 0 : partition.durable.bytes - retentionBytes
      const due = this.#due.get(partition)
      const timely = retention !== null && !(due?.retention === retention && due.time > now)
      if (!timely && excess <= 0) return
      const { endOffset } = partition.durable
      const old = await oldBatches(storage, topic, partition.partition, (batch, bytes) => {
        if (bytes >= stepBytes) return false
        if (retention !== null && batch.appendTime < now - retention) return true
        return bytes < excess && batch.lastOffset + 1 < endOffset
      })
      if (old.keys.length === 0) {
        if (retention !== null) this.#due.set(partition, { retention, time: (old.oldest ?? now) + retention })
        return
      }
      await sequencer.write(stage => {
        for (const key of old.keys) stage.delete(key)
        stage.change(topic, partition, ({ bytes, batches, startOffset }) => ({
          startOffset: Math.max(startOffset, old.endOffset),
          startOrdinal: old.endOrdinal,
          bytes: bytes - old.bytes,
          batches: batches - old.keys.length,
        }))
      })
    }
  }
}
