/**
 * How long a `'buffered'` commit waits to be synced, in milliseconds: what a power cut may take. Redis's `everysec`; the sync
 * runs beside the commits, so that none waits for it.
 */
const interval = 1_000

/** Syncs a second after it is asked to, again if there is more by then, one sync at a time. */
export class PeriodicSync {
  readonly #sync: () => Promise<boolean>
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #stopped = false

  /** @param sync resolves with whether something was written that it has not covered; reports its own failure. */
  constructor(sync: () => Promise<boolean>) {
    this.#sync = sync
  }

  later(): void {
    if (this.#timer !== undefined || this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#running = this.#sync().then(more => {
        this.#timer = undefined
        this.#running = undefined
        if (more) this.later()
      })
    }, interval)
    // Node.js only; a browser's is a number.
    this.#timer.unref?.()
  }

  /** Resolves when no sync is under way, and none follows. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }
}
