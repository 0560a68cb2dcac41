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

const none: ReadonlySet<string> = new Set()

/** What one request wants to write; it counts only if the request's decision does not throw. */
export class Stage {
  readonly writes = new Map<string, Operation>()
  readonly appends: StagedAppend[] = []
  readonly changes: StagedChange[] = []
  readonly #before: (id: string) => Uint8Array | undefined
  /** The offset that a topic had before; most requests write to one. */
  readonly #offsets: (readonly [TopicState, number])[] = []
  #rewrites: Set<string> | undefined

  /** `before` gives values as everything decided before has left them. */
  constructor(before: (id: string) => Uint8Array | undefined) {
    this.#before = before
  }

  /** Of the writes, those that say in another way what was there before. */
  get rewrites(): ReadonlySet<string> {
    return this.#rewrites ?? none
  }

  /** Who has the text of the key gives it. */
  get(key: Uint8Array, id = keyText(key)): Uint8Array | undefined {
    const own = this.writes.get(id)
    return own === undefined ? this.#before(id) : own.type === 'put' ? own.value : undefined
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.writes.set(keyText(key), { type: 'put', key, value })
  }

  /** As `put` of a value in memory of its own, with room behind it for a checksum: it is not copied. */
  give(key: Uint8Array, value: Uint8Array, id = keyText(key)): void {
    this.writes.set(id, { type: 'put', key, value, given: true })
  }

  /** What was put under the key means the same as what was there before: no transaction that has read it conflicts. */
  meansTheSame(key: Uint8Array): void {
    // A set for each request would cost more than the rest of what it is made of; few need one.
    this.#rewrites ??= new Set()
    this.#rewrites.add(keyText(key))
  }

  delete(key: Uint8Array): void {
    this.writes.set(keyText(key), { type: 'delete', key })
  }

  /** The topic's next offset. */
  takeOffset(topic: TopicState): number {
    if (!this.#offsets.some(([known]) => known === topic)) this.#offsets.push([topic, topic.nextOffset])
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
