import type { Follower, FollowOptions, ReadResult } from '../log.ts'
import { defaultMaxBytes, firstRecords, type ReadLimits } from './batch-reader.ts'
import type { TopicState } from './topic-state.ts'

type Read = (partition: number, from: number, limits: ReadLimits) => Promise<ReadResult>

/** Reads partitions in turn, so that a busy one does not starve the others, and sleeps when all are at the end. */
export class EmbeddedFollower implements Follower {
  readonly #topic: TopicState
  readonly #read: Read
  readonly #limits: ReadLimits
  readonly #positions: Map<number, number>
  #turn: number[]
  /** How many partitions the topic had; `undefined` when added ones are not followed. */
  #known: number | undefined
  #closed = false
  /** Of one key: pages without records say how far nothing of it came. */
  readonly #empty: boolean
  /** Records of a partition that were read and not handed out: reading gives whole batches. */
  readonly #rest = new Map<number, ReadResult>()
  readonly #stop: () => void

  constructor(topic: TopicState, read: Read, options: FollowOptions, onClose: (follower: EmbeddedFollower) => void) {
    this.#topic = topic
    this.#read = read
    this.#limits = { maxRecords: options.maxRecords ?? 500, maxBytes: options.maxBytes ?? defaultMaxBytes }
    this.#positions = new Map(options.positions)
    this.#turn = [...this.#positions.keys()]
    this.#empty = options.key !== undefined
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
        const found = rest ?? (await this.#read(partition, from, this.#limits))
        if (this.#closed) return undefined
        const page = this.#take(partition, found)
        this.#positions.set(partition, page.nextOffset)
        if (page.records.length > 0 || this.#empty) return { partition, ...page }
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

  #take(partition: number, read: ReadResult): ReadResult {
    const { maxRecords } = this.#limits
    const page = firstRecords(read, maxRecords)
    if (page === read) this.#rest.delete(partition)
    else {
      const { records, nextOffset, bytes } = read
      this.#rest.set(partition, { records: records.slice(maxRecords), nextOffset, bytes: bytes - page.bytes })
    }
    return page
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stop()
    this.#topic.wake()
  }
}
