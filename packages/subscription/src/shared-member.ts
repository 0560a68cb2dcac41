import type { AssignedPartition } from './assigned-partition.ts'
import type { Delivery } from './delivery.ts'
import type { Feed, SeekTo, Taker, TopicLag } from './feed.ts'
import { invalid } from './settings.ts'
import type { SharedGroup } from './shared-group.ts'

/** One of those who share the messages of a topic. */
export class SharedMember implements Feed {
  readonly topic: string
  readonly taker: Taker
  readonly #group: SharedGroup
  #stopped = false

  constructor(topic: string, group: SharedGroup, taker: Taker) {
    this.topic = topic
    this.#group = group
    this.taker = taker
  }

  take(only?: AssignedPartition): Delivery | undefined {
    if (this.#stopped) return undefined
    const delivery = this.#group.take(only)
    if (delivery !== undefined) delivery.holder = this
    return delivery
  }

  demand(): void {
    if (!this.#stopped) this.#group.demand()
  }

  seek(_to: SeekTo): Promise<void> {
    return invalid(`seek does not go with mode: 'shared' on ${this.topic}: reset the group while it has no members`)
  }

  pause(): void {
    invalid(`a partition of ${this.topic} cannot be paused with mode: 'shared': pause() hands over nothing at all`)
  }

  lag(): Promise<TopicLag[]> {
    return this.#group.intake.lag()
  }

  commit(): Promise<void> {
    return this.#group.intake.commit(this)
  }

  stop(): void {
    this.#stopped = true
  }

  async leave(): Promise<void> {
    this.#stopped = true
    await this.#group.leave(this)
    await this.#group.intake.settle()
  }
}
