import type { Follower, FollowOptions, ReadResult } from '../log.ts'
import type { TopicState } from './topic-state.ts'

type Read = (partition: number, from: number, maxRecords: number) => Promise<ReadResult>

/** Reads partitions in turn, so that a busy one does not starve the others, and sleeps when all are at the end. */
export class EmbeddedFollower implements Follower {
  readonly #topic: TopicState
  readonly #read: Read
  readonly #maxRecords: number
  readonly #positions: Map<number, number>
  #turn: number[]
  /** How many partitions the topic had; `undefined` when added ones are not followed. */
  #known: number | undefined
  #closed = false
  /** Records of a partition that were read and not handed out: reading gives whole batches. */
  readonly #rest = new Map<number, ReadResult>()
  readonly #stop: () => void

  constructor(topic: TopicState, read: Read, options: FollowOptions, onClose: (follower: EmbeddedFollower) => void) {
    this.#topic = topic
    this.#read = read
    this.#maxRecords = options.maxRecords ?? 500
    this.#positions = new Map(options.positions)
    this.#turn = [...this.#positions.keys()]
    if (options.addedPartitions === true) this.#known = topic.config.partitions
    const close = (): void => this.close()
    this.#stop = () => {
      options.signal?.removeEventListener('abort', close)
      onClose(this)
    }
    if (options.signal?.aborted === true) this.#closed = true
    options.signal?.addEventListener('abort', close, { once: true })
  }

  async next(): Promise<(ReadResult & { readonly partition: number }) | undefined> {
    while (!this.#closed && !this.#topic.deleted) {
      const end = this.#topic.endOffset
      if (this.#known !== undefined) this.#takeUpAdded()
      for (let tried = 0; tried < this.#turn.length; tried++) {
        const partition = this.#turn.shift()!
        this.#turn.push(partition)
        const from = this.#positions.get(partition)!
        const rest = this.#rest.get(partition)
        if (from >= end && rest === undefined) continue
        const found = rest ?? (await this.#read(partition, from, this.#maxRecords))
        if (this.#closed) return undefined
        const { records, nextOffset } = this.#take(partition, found)
        this.#positions.set(partition, nextOffset)
        if (records.length > 0) return { partition, records, nextOffset }
      }
      await this.#topic.changed(end)
    }
    return undefined
  }

  #takeUpAdded(): void {
    const { partitions } = this.#topic.config
    for (let added = this.#known ?? partitions; added < partitions; added++) {
      this.#positions.set(added, 0)
      this.#turn.push(added)
    }
    this.#known = partitions
  }

  #take(partition: number, { records, nextOffset }: ReadResult): ReadResult {
    if (records.length <= this.#maxRecords) {
      this.#rest.delete(partition)
      return { records, nextOffset }
    }
    this.#rest.set(partition, { records: records.slice(this.#maxRecords), nextOffset })
    return { records: records.slice(0, this.#maxRecords), nextOffset: records[this.#maxRecords]!.offset }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stop()
    this.#topic.wake()
  }
}
