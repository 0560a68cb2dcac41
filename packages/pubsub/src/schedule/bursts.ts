interface Burst<T> {
  /** What is to be written after what is on its way. */
  next: (() => Promise<T>) | undefined
  written: Promise<T>
}

/**
 * Writes by name, one after the other: what each leaves is replaced by the next, so of those that wait only the last is written, and
 * the others resolve with what became of that.
 */
export class Bursts<T> {
  readonly #bursts = new Map<string, Burst<T>>()

  write(name: string, write: () => Promise<T>): Promise<T> {
    const burst = this.#bursts.get(name)
    if (burst === undefined) {
      const first: Burst<T> = { next: undefined, written: write() }
      this.#bursts.set(name, first)
      this.#forgetAfter(name, first)
      return first.written
    }
    if (burst.next === undefined) {
      const goOn = (): Promise<T> => {
        const last = burst.next!
        burst.next = undefined
        return last()
      }
      burst.written = burst.written.then(goOn, goOn)
      this.#forgetAfter(name, burst)
    }
    burst.next = write
    return burst.written
  }

  #forgetAfter(name: string, burst: Burst<T>): void {
    const { written } = burst
    const forget = (): void => {
      if (burst.written === written) this.#bursts.delete(name)
    }
    written.then(forget, forget)
  }
}
