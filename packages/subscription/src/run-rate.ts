import type { Delivery } from './delivery.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { RunSettings } from './settings.ts'

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
  readonly #lease: number

  /** `now` and `lease` in milliseconds. */
  constructor(rate: NonNullable<RunSettings['rate']>, now: () => number, lease: number) {
    this.byKey = rate.byKey
    this.#limiter = new RateLimiter(rate)
    this.#now = now
    this.#lease = lease
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
