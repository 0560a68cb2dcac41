/** A place in the lines for some names. */
export interface Turn {
  /** Resolves when everybody before it is done. */
  readonly come: Promise<unknown>
  /** Whether nobody has asked for one of its names since. */
  isLast(): boolean
  /** To be called once it is done. */
  end(): void
}

/** Lets one at a time have a name, in the order of asking. All names are asked for at once, so nobody waits in a circle. */
export class Locks {
  readonly #last = new Map<string, Promise<void>>()

  take(names: Iterable<string>): Turn {
    const unique = new Set(names)
    const before = this.passed(unique)
    let end: () => void = () => undefined
    const mine = new Promise<void>(resolve => {
      end = resolve
    })
    for (const name of unique) this.#last.set(name, mine)
    const isLast = (): boolean => {
      for (const name of unique) if (this.#last.get(name) !== mine) return false
      return true
    }
    return {
      come: before,
      isLast,
      end: () => {
        for (const name of unique) if (this.#last.get(name) === mine) this.#last.delete(name)
        end()
      },
    }
  }

  /** Resolves with the function that gives them back. */
  async acquire(names: Iterable<string>): Promise<() => void> {
    const turn = this.take(names)
    await turn.come
    return turn.end
  }

  /** Resolves when everybody who has asked for one of the names so far is done. */
  passed(names: Iterable<string>): Promise<unknown> {
    const waiting: Promise<void>[] = []
    for (const name of names) {
      const last = this.#last.get(name)
      if (last !== undefined) waiting.push(last)
    }
    return waiting.length === 0 ? Promise.resolve() : waiting.length === 1 ? waiting[0]! : Promise.all(waiting)
  }
}
