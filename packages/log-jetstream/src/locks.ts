/** A place in the lines for some names. */
export interface Turn {
  /** Resolves when everybody before it is done. */
  readonly come: Promise<unknown>
  /** Whether nobody has asked for one of its names since. */
  readonly last: boolean
  /** To be called once it is done. */
  end(): void
}

interface Taken {
  readonly ended: Promise<void>
  last: boolean
}

/** Lets one at a time have a name, in the order of asking. All names are asked for at once, so nobody waits in a circle. */
export class Locks {
  /** By name, who asked for it last. */
  readonly #last = new Map<string, Taken>()

  take(names: Iterable<string>): Turn {
    const unique = new Set(names)
    const come = this.passed(unique)
    let ended: () => void = () => undefined
    const turn = {
      come,
      ended: new Promise<void>(resolve => {
        ended = resolve
      }),
      last: true,
      end: () => {
        for (const name of unique) if (this.#last.get(name) === turn) this.#last.delete(name)
        ended()
      },
    }
    for (const name of unique) {
      const before = this.#last.get(name)
      if (before !== undefined) before.last = false
      this.#last.set(name, turn)
    }
    return turn
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
      if (last !== undefined) waiting.push(last.ended)
    }
    return waiting.length === 0 ? Promise.resolve() : waiting.length === 1 ? waiting[0]! : Promise.all(waiting)
  }
}
