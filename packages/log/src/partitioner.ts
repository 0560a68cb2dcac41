import { murmur2 } from './murmur2.ts'

/** The partition of a key, a text as its UTF-8: the one that Apache Kafka's Java client picks for it. */
export const partitionForKey = (key: Uint8Array | string, partitions: number): number =>
  (murmur2(typeof key === 'string' ? Buffer.from(key) : key) & 0x7fffffff) % partitions

/** Spreads records without a key: all of one batch go to one partition, and batches go round. */
export class StickyPartitioner {
  #partitions: number
  #next = 0

  constructor(partitions: number) {
    this.#partitions = partitions
  }

  grow(partitions: number): void {
    this.#partitions = partitions
  }

  /** The partition for the next batch. */
  next(): number {
    const partition = this.#next
    this.#next = (partition + 1) % this.#partitions
    return partition
  }
}
