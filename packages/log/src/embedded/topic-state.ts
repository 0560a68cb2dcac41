import type { TopicDescription } from '../log.ts'
import { StickyPartitioner } from '../partitioner.ts'
import { PartitionState } from './partition-state.ts'
import { type Restored, restoredNext } from './restored-topic.ts'

/** What of a topic is stored. */
export interface TopicConfig extends Omit<TopicDescription, 'endOffset'> {
  readonly id: number
  /** Once for each time that its database was restored. */
  readonly restored?: readonly Restored[]
}

/** A topic while the log is open. */
export class TopicState {
  readonly partitioner: StickyPartitioner
  readonly partitions: PartitionState[]
  /** Decided: the offset that the next record gets. */
  nextOffset: number
  /** Durable: readers see records below it. */
  endOffset: number
  deleted = false
  #config: TopicConfig
  #waiting = new Set<() => void>()

  constructor(config: TopicConfig, partitions: readonly PartitionState[] = []) {
    this.#config = config
    this.partitioner = new StickyPartitioner(config.partitions)
    const known = new Map(partitions.map(state => [state.partition, state]))
    this.partitions = Array.from(
      { length: config.partitions },
      (_, partition) => known.get(partition) ?? new PartitionState(partition),
    )
    this.nextOffset = this.partitions.reduce(
      (end, { durable }) => Math.max(end, durable.endOffset),
      restoredNext(config),
    )
    this.endOffset = this.nextOffset
  }

  #description: TopicDescription | undefined

  get config(): TopicConfig {
    return this.#config
  }

  /** Takes other settings; partitions are only added. */
  alter(config: TopicConfig): void {
    this.#config = config
    this.#description = undefined
    for (let partition = this.partitions.length; partition < config.partitions; partition++) {
      this.partitions.push(new PartitionState(partition))
    }
    this.partitioner.grow(config.partitions)
    this.wake()
  }

  /** Resolves when `endOffset` has passed `offset`, the topic is deleted, or `wake` is called. */
  changed(offset: number): Promise<void> {
    if (this.deleted || this.endOffset > offset) return Promise.resolve()
    return new Promise(resolve => this.#waiting.add(resolve))
  }

  wake(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const resolve of waiting) resolve()
  }

  /** Made once for each configuration: every publish asks for it. Its `endOffset` is that of the moment it is read. */
  describe(): TopicDescription {
    if (this.#description === undefined) {
      const { id: _id, restored: _restored, ...shown } = this.#config
      const end = (): number => this.endOffset
      this.#description = {
        ...shown,
        get endOffset() {
          return end()
        },
      }
    }
    return this.#description
  }
}
