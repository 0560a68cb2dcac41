import type { PartitionState } from './partition-state.ts'

/** A batch as it is stored, still in memory. */
export interface TailBatch {
  /** The offset after the partition's previous record. */
  readonly previousEnd: number
  readonly lastOffset: number
  readonly stored: Buffer
}

/** Bytes of newest batches that are kept in memory, all partitions together. */
const limit = 16_000_000

/** The newest batches of all partitions: live readers are served from here, slow ones from storage. */
export class Tail {
  readonly #entries: { partition: PartitionState; bytes: number }[] = []
  #oldest = 0
  #bytes = 0

  push(partition: PartitionState, batch: TailBatch): void {
    const bytes = batch.stored.buffer.byteLength
    partition.tail.push(batch)
    this.#entries.push({ partition, bytes })
    this.#bytes += bytes
    while (this.#bytes > limit && this.#oldest < this.#entries.length - 1) {
      const entry = this.#entries[this.#oldest++]!
      entry.partition.tail.shift()
      this.#bytes -= entry.bytes
    }
    if (this.#oldest > 1_000) {
      this.#entries.splice(0, this.#oldest)
      this.#oldest = 0
    }
  }
}

/** From now on readers get the batches up to an offset from storage. */
export function forgetTail({ tail }: PartitionState, lastOffset: number): void {
  const stays = tail.findIndex(batch => batch.lastOffset > lastOffset)
  tail.splice(0, stays < 0 ? tail.length : stays)
}

/** The batches of the tail from an offset on; `undefined` when the tail does not go back so far. */
export function tailFrom({ tail }: PartitionState, from: number): readonly TailBatch[] | undefined {
  if (tail.length === 0 || from < tail[0]!.previousEnd) return undefined
  let low = 0
  let high = tail.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (tail[middle]!.lastOffset < from) low = middle + 1
    else high = middle
  }
  return tail.slice(low, low + 64)
}
