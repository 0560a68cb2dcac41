import { AegisError } from '@aegis/storage'
import type { Delivery } from './delivery.ts'

/** Gives leases, and is told what becomes of them. */
export interface Lessor {
  now(): number
  /** Nobody has acknowledged it in time. */
  lapsed(delivery: Delivery): void
  /** It is for any member again, after so many milliseconds. */
  giveBack(delivery: Delivery, wait: number): void
  /** It has not begun, and is for any member after so many milliseconds: that is no attempt. */
  postpone(delivery: Delivery, wait: number): void
  /** Leases a delivery for longer; resolves when that is durable. @throws AegisError `LEASE_LAPSED` */
  extend(delivery: Delivery, duration: number): Promise<void>
}

/** So late may a timer be in a process that is not held up, in milliseconds. */
const tolerated = 20

/** Deliveries that were leased together, in one commit: each is nobody else's until then. */
export class Lease {
  readonly until: number
  readonly lessor: Lessor
  readonly #deliveries = new Set<Delivery>()
  #timer: NodeJS.Timeout | undefined
  #late = false

  constructor(lessor: Lessor, until: number) {
    this.lessor = lessor
    this.until = until
  }

  get deliveries(): ReadonlySet<Delivery> {
    return this.#deliveries
  }

  add(delivery: Delivery): void {
    this.#deliveries.add(delivery)
    delivery.lease = this
    this.#timer ??= this.#startTimer()
  }

  /** It is settled, refused, or leased again. */
  end(delivery: Delivery): void {
    this.#deliveries.delete(delivery)
    if (delivery.lease === this) delivery.lease = undefined
    if (this.#deliveries.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #startTimer(): NodeJS.Timeout {
    const wait = Math.max(0, this.until - this.lessor.now())
    return setTimeout(() => this.#lapse(), Math.min(wait, 2 ** 31 - 1))
  }

  #lapse(): void {
    this.#timer = undefined
    const late = this.lessor.now() - this.until
    if (late < 0) {
      this.#timer = this.#startTimer()
      return
    }
    if (late > tolerated && !this.#late) {
      // Something has kept the process from doing anything: who has the message could not say that it is done. Nobody else
      // can have it before we say so, so there is time for that.
      this.#late = true
      this.#timer = setTimeout(() => this.#lapse(), late)
      return
    }
    for (const delivery of [...this.#deliveries]) {
      this.end(delivery)
      this.lessor.lapsed(delivery)
    }
  }
}

export const lapsedError = ({ record: { topic, partition, offset } }: Delivery): AegisError =>
  new AegisError(
    'LEASE_LAPSED',
    `the lease of the message at offset ${offset} of ${topic}/${partition} has lapsed: another member may have it; extend() in time, or subscribe with a longer lease`,
    { details: { topic, partition, offset } },
  )
