import type { Domain } from './domain.ts'
import { nextMessage } from './messages.ts'
import { sequenceAtTime } from './partition-figures.ts'
import { partitionSubject } from './partition-reader.ts'
import { PartitionSizes } from './partition-sizes.ts'
import { purge } from './purge.ts'
import type { Topic } from './topic.ts'
import { upToNow } from './up-to-now.ts'

/** Deletes the messages of topics that are too old, or too many. Whole messages go, the oldest first. */
export class Retention {
  readonly #domain: Domain
  /** By partition's subject. */
  readonly #sizes = new Map<string, PartitionSizes>()

  constructor(domain: Domain) {
    this.#domain = domain
  }

  async run(topic: Topic): Promise<void> {
    const { retention, retentionBytes, partitions } = topic.config
    for (let partition = 0; partition < partitions && !topic.deleted; partition++) {
      const subject = partitionSubject(this.#domain, topic, partition)
      if (retention !== null) await this.#expire(subject, Date.now() - retention)
      if (retentionBytes === null) this.#sizes.delete(subject)
      else await this.#limit(subject, retentionBytes)
    }
  }

  forget(topic: Topic): void {
    for (let partition = 0; partition < topic.config.partitions; partition++) {
      this.#sizes.delete(partitionSubject(this.#domain, topic, partition))
    }
  }

  async #expire(subject: string, before: number): Promise<void> {
    const first = await nextMessage(this.#domain, subject, 1)
    if (first === undefined || first.time >= before) return
    const end = await this.#domain.lastSequence()
    const kept = await sequenceAtTime(this.#domain, subject, before)
    await purge(this.#domain, subject, kept ?? end + 1)
  }

  /** Counts what was written since the last time; the servers know the bytes of a stream, and not of a subject. */
  async #limit(subject: string, limit: number): Promise<void> {
    let sizes = this.#sizes.get(subject)
    if (sizes?.limit !== limit) this.#sizes.set(subject, (sizes = new PartitionSizes(limit)))
    const start = { sequence: sizes.end, headersOnly: true }
    for await (const { sequence, size } of upToNow(this.#domain, subject, start)) sizes.add(sequence, size)
    // Others delete, too.
    const first = await nextMessage(this.#domain, subject, 1)
    sizes.forget(first?.sequence ?? sizes.end)
    const below = sizes.excess()
    if (below === undefined) return
    await purge(this.#domain, subject, below)
    sizes.forget(below)
  }
}
