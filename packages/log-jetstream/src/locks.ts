/** Lets one at a time have a name, in the order of asking. Several names are taken in one order, so nobody waits in a circle. */
export class Locks {
  readonly #last = new Map<string, Promise<void>>()

  /** Resolves with the function that gives them back. */
  async acquire(names: Iterable<string>): Promise<() => void> {
    const releases: (() => void)[] = []
    for (const name of [...new Set(names)].sort()) {
      const before = this.#last.get(name)
      let release: () => void = () => undefined
      const mine = new Promise<void>(resolve => {
        release = resolve
      })
      this.#last.set(name, mine)
      releases.push(() => {
        if (this.#last.get(name) === mine) this.#last.delete(name)
        release()
      })
      await before
    }
    return () => {
      for (const release of releases) release()
    }
  }
}
