import { type Delivered, delivered, type NackOptions } from './delivery.ts'

/** What items that are classes have of their delivery. They are classes, for an object spread together costs as much as decoding it. */
export abstract class DeliveredItem implements Delivered {
  readonly attempts: number
  readonly #delivered: Delivered

  constructor(given: Delivered) {
    this.attempts = given.attempts
    this.#delivered = given
  }

  /** For `acknowledge(tx, item)`. */
  get [delivered](): Delivered {
    return this.#delivered
  }

  ack(): void {
    this.#delivered.ack()
  }

  nack(options?: NackOptions): void {
    this.#delivered.nack(options)
  }

  extend(duration?: number | string): Promise<void> {
    return this.#delivered.extend(duration)
  }
}
