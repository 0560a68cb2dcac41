import type { Consumer } from './consumer.ts'
import type { Delivery } from './delivery.ts'
import type { Feeds } from './feeds.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { RunSettings } from './settings.ts'

/** The longest that a timer can wait, in milliseconds. */
const longestTimer = 2 ** 31 - 1
/** Who waits longer need not be kept here, in milliseconds. */
const longestKept = 1000
/** Who is put off for longer asks again after this time, in milliseconds: the rate may be another by then. */
const longestPutOff = 3_600_000

/** How often the handlers of one `run` may begin. */
export class RunRate {
  /** Of each key, or of all together. */
  readonly byKey: boolean
  readonly #limiter: RateLimiter
  readonly #now: () => number
  /** Milliseconds. */
  readonly #lease: number
  readonly #feeds: Feeds
  /** While nothing may begin. */
  #timer: NodeJS.Timeout | undefined

  constructor(
    rate: NonNullable<RunSettings['rate']>,
    { log, settings, feeds }: Pick<Consumer<unknown>, 'log' | 'settings' | 'feeds'>,
  ) {
    this.byKey = rate.byKey
    this.#limiter = new RateLimiter(rate)
    this.#now = () => log.now()
    this.#lease = settings.lease
    this.#feeds = feeds
  }

  /** Whether nothing at all may begin now; then `goOn` is called when something may, or when there is a failure to be told. */
  holdsAll(goOn: () => void): boolean {
    if (this.byKey || this.#feeds.failure !== undefined) return false
    const wait = this.wait()
    if (wait === 0) return false
    if (this.#timer !== undefined) return true
    const end = (): void => {
      if (this.#timer !== timer) return
      this.stop()
      goOn()
    }
    const timer = setTimeout(end, Math.min(wait, longestTimer))
    this.#timer = timer
    void this.#failed(timer).then(end)
    return true
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Resolves when nothing can go on, at the latest some time after the timer has ended. */
  async #failed(timer: NodeJS.Timeout): Promise<void> {
    const feeds = this.#feeds
    while (this.#timer === timer && !feeds.closed && feeds.failure === undefined) await feeds.changed()
  }

  /** Milliseconds until the handler may begin; 0: at once. Without a delivery: of any. */
  wait(delivery?: Delivery): number {
    const name = this.#nameOf(delivery)
    return name === undefined ? 0 : this.#limiter.wait(name, this.#now())
  }

  /** Its handler begins. */
  begin(delivery: Delivery): void {
    const name = this.#nameOf(delivery)
    if (name !== undefined) this.#limiter.use(name, this.#now())
  }

  /**
   * How long it is put off, with so many others of its key before it that are kept here; 0: it is kept, too. Once one was put off,
   * those that come after it are as well, lest they overtake it.
   */
  putOff(delivery: Delivery, ahead: number): number {
    const name = this.#nameOf(delivery)
    if (name === undefined || !delivery.partition.tracked) return 0
    const now = this.#now()
    const { postponed, lease } = delivery
    const wait = this.#limiter.wait(name, now, ahead)
    // From half of its lease on are left when it is handed over.
    const kept = lease === undefined ? longestKept : Math.min(longestKept, lease.until - this.#lease / 2 - now)
    if (wait <= kept && (postponed || !this.#limiter.hasReserved(name, now))) return 0
    return Math.min(postponed ? wait : this.#limiter.reserve(name, now, ahead), longestPutOff)
  }

  /** `undefined` when it is not limited. */
  #nameOf(delivery: Delivery | undefined): string | undefined {
    if (!this.byKey) return ''
    const key = delivery?.record.key ?? null
    return key === null ? undefined : Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
  }
}
