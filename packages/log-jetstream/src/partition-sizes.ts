/** Messages that are neighbours, and their bytes. */
interface Range {
  last: number
  bytes: number
}

/** A range has so many bytes at most, as a part of the limit, unless it is one message. */
const ranges = 256

/**
 * The bytes of a partition, by ranges of its messages, so that what is too much is known without looking at all of them again.
 * Where another process has deleted a part of a range, all of it counts: by less than a range, what is kept may be too little.
 */
export class PartitionSizes {
  readonly limit: number
  #ranges: Range[] = []
  #total = 0
  #end = 1

  /** Bytes that the partition may have. */
  constructor(limit: number) {
    this.limit = limit
  }

  /** The sequence from which on messages are to be added. */
  get end(): number {
    return this.#end
  }

  add(sequence: number, bytes: number): void {
    const last = this.#ranges.at(-1)
    this.#total += bytes
    this.#end = sequence + 1
    if (last === undefined || last.bytes + bytes > this.limit / ranges) {
      this.#ranges.push({ last: sequence, bytes })
      return
    }
    last.last = sequence
    last.bytes += bytes
  }

  /** Messages below a sequence are gone. */
  forget(below: number): void {
    const kept = this.#ranges.findIndex(({ last }) => last >= below)
    this.#drop(kept === -1 ? this.#ranges.length : kept)
  }

  /** The sequence below which messages are to go, if the partition has more than it may; the newest stays in any case. */
  excess(): number | undefined {
    let left = this.#total
    let dropped = 0
    while (left > this.limit && dropped < this.#ranges.length - 1) left -= this.#ranges[dropped++]!.bytes
    return dropped === 0 ? undefined : this.#ranges[dropped - 1]!.last + 1
  }

  #drop(count: number): void {
    for (const { bytes } of this.#ranges.splice(0, count)) this.#total -= bytes
  }
}
