/** What of a watermark is stored. */
export interface WatermarkState {
  /** `null`: nothing known yet. */
  readonly current: number | null
  /** The newest event time of each partition; `null`: none yet. */
  readonly times: readonly (number | null)[]
  readonly idle: readonly number[]
}

const stored = (time: number): number | null => (time === Number.NEGATIVE_INFINITY ? null : time)
const known = (time: number | null | undefined): number => time ?? Number.NEGATIVE_INFINITY

/**
 * How far event time has come: no record older than it is expected.
 *
 * The smallest of the partitions' newest times, less the allowed disorder. It never falls. Idle partitions do not
 * count; when all are idle nothing more is expected from any, and the newest time of all counts.
 */
export class Watermark {
  /** Milliseconds; -Infinity as long as a partition that is not idle has shown no time. */
  current = Number.NEGATIVE_INFINITY
  readonly #times: number[]
  readonly #idle: boolean[]
  readonly #outOfOrderness: number

  constructor(partitions: number, outOfOrderness: number, state?: WatermarkState) {
    this.#outOfOrderness = outOfOrderness
    this.#times = Array.from({ length: partitions }, (_, partition) => known(state?.times[partition]))
    this.#idle = Array.from({ length: partitions }, (_, partition) => state?.idle.includes(partition) ?? false)
    this.current = known(state?.current)
  }

  observe(partition: number, time: number): void {
    const before = this.#times[partition]!
    const wasIdle = this.#idle[partition]!
    this.#idle[partition] = false
    if (time <= before) return
    this.#times[partition] = time
    // Only who was the smallest, or did not count, can change the smallest.
    if (wasIdle || before - this.#outOfOrderness <= this.current) this.#recompute()
  }

  isIdle(partition: number): boolean {
    return this.#idle[partition]!
  }

  markIdle(partition: number): void {
    this.#idle[partition] = true
    this.#recompute()
  }

  /** Moves it forward to `time`, whatever the partitions have shown. */
  advanceTo(time: number): void {
    this.current = Math.max(this.current, time)
  }

  state(): WatermarkState {
    const idle = this.#idle.flatMap((isIdle, partition) => (isIdle ? [partition] : []))
    return { current: stored(this.current), times: this.#times.map(stored), idle }
  }

  #recompute(): void {
    let smallest = Number.POSITIVE_INFINITY
    let largest = Number.NEGATIVE_INFINITY
    for (let partition = 0; partition < this.#times.length; partition++) {
      const time = this.#times[partition]!
      if (time > largest) largest = time
      if (!this.#idle[partition] && time < smallest) smallest = time
    }
    this.advanceTo((smallest === Number.POSITIVE_INFINITY ? largest : smallest) - this.#outOfOrderness)
  }
}
