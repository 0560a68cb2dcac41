import type { Operation } from '@aegis/storage'
import type { BatchRecord } from '../batch/layout.ts'
import type { PartitionFigures, PartitionState } from './partition-state.ts'
import type { TopicState } from './topic-state.ts'

/** A storage key as a map key; compares like its bytes. */
export const keyText = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')

interface StagedAppend {
  readonly topic: TopicState
  readonly partition: number
  readonly record: BatchRecord
}

interface StagedChange {
  readonly topic: TopicState
  readonly partition: PartitionState
  readonly change: FigureChange
}

/** What becomes of the figures of a partition, from what they are by then. */
type FigureChange = (figures: PartitionFigures) => Partial<PartitionFigures>

/** What one request wants to write; it counts only if the request's decision does not throw. */
export class Stage {
  readonly writes = new Map<string, Operation>()
  /** Of these, those that say in another way what was there before. */
  readonly rewrites = new Set<string>()
  readonly appends: StagedAppend[] = []
  readonly changes: StagedChange[] = []
  readonly #before: (id: string) => Uint8Array | undefined
  readonly #offsets = new Map<TopicState, number>()

  /** `before` gives values as everything decided before has left them. */
  constructor(before: (id: string) => Uint8Array | undefined) {
    this.#before = before
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const id = keyText(key)
    const own = this.writes.get(id)
    return own === undefined ? this.#before(id) : own.type === 'put' ? own.value : undefined
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.writes.set(keyText(key), { type: 'put', key, value })
  }

  /** As `put`, of what means the same as before: no transaction that has read it conflicts. */
  rewrite(key: Uint8Array, value: Uint8Array): void {
    this.put(key, value)
    this.rewrites.add(keyText(key))
  }

  delete(key: Uint8Array): void {
    this.writes.set(keyText(key), { type: 'delete', key })
  }

  /** The topic's next offset. */
  takeOffset(topic: TopicState): number {
    if (!this.#offsets.has(topic)) this.#offsets.set(topic, topic.nextOffset)
    return topic.nextOffset++
  }

  append(topic: TopicState, partition: number, record: BatchRecord): void {
    this.appends.push({ topic, partition, record })
  }

  change(topic: TopicState, partition: PartitionState, change: FigureChange): void {
    this.changes.push({ topic, partition, change })
  }

  /** Gives back the offsets that were taken: the request is refused. */
  undo(): void {
    for (const [topic, offset] of this.#offsets) topic.nextOffset = offset
  }
}
