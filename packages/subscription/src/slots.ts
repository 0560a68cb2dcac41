/** So many may be at work at the same time; the others wait in the order in which they came. */
export class Slots {
  #free: number
  readonly #queue: ((release: () => void) => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** A function that gives the slot back, if one is free. */
  tryTake(): (() => void) | undefined {
    if (this.#free === 0) return undefined
    this.#free--
    return () => this.#release()
  }

  take(): Promise<() => void> {
    const release = this.tryTake()
    if (release !== undefined) return Promise.resolve(release)
    return new Promise(resolve => this.#queue.push(resolve))
  }

  #release(): void {
    const next = this.#queue.shift()
    if (next === undefined) this.#free++
    else next(() => this.#release())
  }
}
