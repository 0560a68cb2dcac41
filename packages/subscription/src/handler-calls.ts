let runs = 0

/**
 * The handlers of one `run` that are at work, and whether somebody is called by one of them.
 *
 * A handler that waits for the subscription to be closed would wait for itself for ever. That it is the caller is seen
 * in the stack: V8 puts the functions that wait for the present one there, and ours has a name of its own for each run.
 * (`AsyncLocalStorage` would tell it too, at the price of slowing down every promise of the process.)
 */
export class HandlerCalls {
  readonly #name = `handlerOfRun${++runs}_`
  /** Waits for a handler. */
  readonly wait: (result: Promise<void>) => Promise<void>
  #active = 0
  #calling = false
  /** How many handlers at work wait for the others. */
  #waiting = 0
  #progress: (() => void)[] = []

  constructor() {
    const name = this.#name
    const ended = (): void => this.#ended()
    const began = (): void => {
      this.#active++
    }
    const named = {
      async [name](result: Promise<void>): Promise<void> {
        began()
        try {
          await result
        } finally {
          ended()
        }
      },
    }
    this.wait = named[name]!
  }

  call<Item, T>(handler: (item: Item, tx: T) => Promise<void> | void, item: Item, tx: T): Promise<void> | void {
    this.#calling = true
    try {
      return handler(item, tx)
    } finally {
      this.#calling = false
    }
  }

  /** Whether a handler of this run is the caller, however many awaits ago it has called. */
  get areCalling(): boolean {
    if (this.#calling) return true
    if (this.#active === 0) return false
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 100
    const { stack } = new Error()
    Error.stackTraceLimit = stackTraceLimit
    return typeof stack === 'string' && stack.includes(this.#name)
  }

  /** To be called in a handler: resolves when no handler is at work but those which have called this. */
  async othersEnded(): Promise<void> {
    // One that has not returned yet is counted from then on.
    await undefined
    this.#waiting++
    for (const resolve of this.#progress.splice(0)) resolve()
    while (this.#active > this.#waiting) await new Promise<void>(resolve => this.#progress.push(resolve))
  }

  #ended(): void {
    this.#active--
    for (const resolve of this.#progress.splice(0)) resolve()
  }
}
