import type { Clock } from './clock.ts'
import type { Watermark } from './watermark.ts'

/**
 * Tells which partitions have nothing to say: all of the topic was processed, and for a while nothing came from them.
 * A partition that merely was not read yet is never idle, however long reading takes.
 */
export class IdlePartitions {
  readonly #clock: Clock
  readonly #timeout: number
  readonly #watermark: Watermark
  readonly #lastSeen: number[]

  constructor(partitions: number, watermark: Watermark, timeout: number, clock: Clock) {
    this.#clock = clock
    this.#timeout = timeout
    this.#watermark = watermark
    this.#lastSeen = Array.from({ length: partitions }, () => clock.now())
  }

  /** A record of the partition was processed. */
  seen(partition: number): void {
    this.#lastSeen[partition] = this.#clock.now()
  }

  /** There is more to read: whoever is silent may only be waiting for its turn. */
  behind(): void {
    this.#lastSeen.fill(this.#clock.now())
  }

  /** To be called when everything was read. Milliseconds until the next partition may become idle, if one can. */
  check(): number | undefined {
    // One partition alone holds nothing back.
    if (this.#lastSeen.length === 1) return undefined
    const now = this.#clock.now()
    let next: number | undefined
    for (let partition = 0; partition < this.#lastSeen.length; partition++) {
      if (this.#watermark.isIdle(partition)) continue
      const left = this.#lastSeen[partition]! + this.#timeout - now
      if (left <= 0) this.#watermark.markIdle(partition)
      else next = Math.min(next ?? left, left)
    }
    return next
  }
}
