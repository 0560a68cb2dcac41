/** One piece of work of a stream after the other; those of different streams at once. */
export class StreamQueue {
  readonly #last = new Map<string, Promise<unknown>>()

  run<T>(streamId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(streamId)
    const result = before === undefined ? work() : before.then(work)
    // The next one begins whatever became of this one, of which only its caller hears.
    const ended = result.then(nothing, nothing).then(() => {
      if (this.#last.get(streamId) === ended) this.#last.delete(streamId)
    })
    this.#last.set(streamId, ended)
    return result
  }
}

const nothing = (): void => undefined
