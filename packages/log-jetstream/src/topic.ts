import type { TopicDescription } from '@aegis/log'
import { StickyPartitioner, type TopicSettings } from '@aegis/log/driver'

/** What of a topic is stored. */
export interface TopicConfig extends TopicSettings {
  /** Names its subjects as well. */
  readonly incarnation: string
}

/** A topic as this process knows it. */
export class Topic {
  readonly partitioner: StickyPartitioner
  /** The sequence of its configuration's message. */
  sequence: number
  deleted = false
  #end = 0
  #config: TopicConfig
  #description: TopicDescription | undefined
  readonly #listeners = new Set<() => void>()

  constructor(config: TopicConfig, sequence: number) {
    this.#config = config
    this.sequence = sequence
    this.partitioner = new StickyPartitioner(config.partitions)
  }

  get config(): TopicConfig {
    return this.#config
  }

  alter(config: TopicConfig, sequence: number): void {
    this.#config = config
    this.sequence = sequence
    this.#description = undefined
    this.partitioner.grow(config.partitions)
    this.#changed()
  }

  delete(): void {
    this.deleted = true
    this.#changed()
  }

  /** There is a record before this offset. */
  saw(endOffset: number): void {
    if (endOffset > this.#end) this.#end = endOffset
  }

  /** Calls back when it is altered or deleted; gives the function that ends it. */
  onChange(callback: () => void): () => void {
    this.#listeners.add(callback)
    return () => this.#listeners.delete(callback)
  }

  /** Made once for each configuration: every publish asks for it. Its `endOffset` is what this process has seen. */
  describe(): TopicDescription {
    if (this.#description === undefined) {
      const end = (): number => this.#end
      this.#description = {
        ...this.#config,
        get endOffset() {
          return end()
        },
      }
    }
    return this.#description
  }

  #changed(): void {
    for (const callback of this.#listeners) callback()
  }
}
