import type { Log, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { remember } from './acknowledge.ts'
import { createDeadLetterTopic, deadLetter, deadLetterTopic, reasonOf } from './dead-letters.ts'
import type { Decode, Delivery, NackOptions, Settling } from './delivery.ts'
import { Intake } from './intake.ts'
import { duration, type Settings } from './options.ts'

/** Makes items of deliveries and says what becomes of them: acknowledged, tried again, or put to the dead letters. */
export class Consumer<Item> implements Settling {
  readonly log: Log
  readonly topic: string
  readonly settings: Settings
  readonly #decode: Decode<Item>
  readonly #burials = new Set<Promise<void>>()
  #intake: Intake | undefined

  private constructor(log: Log, topic: string, decode: Decode<Item>, settings: Settings) {
    this.log = log
    this.topic = topic
    this.settings = settings
    this.#decode = decode
  }

  static async open<Item>(log: Log, topic: string, decode: Decode<Item>, settings: Settings): Promise<Consumer<Item>> {
    const consumer = new Consumer(log, topic, decode, settings)
    consumer.#intake = await Intake.open(log, topic, settings, consumer)
    return consumer
  }

  get intake(): Intake {
    return this.#intake!
  }

  /**
   * The item of a delivery that begins now; `undefined` when there is nothing to hand over: it is not for this
   * subscriber, cannot be read, or has ended too many processes.
   */
  item(delivery: Delivery): Item | undefined {
    const { countDeliveries, maxAttempts } = this.settings
    delivery.begin()
    if (countDeliveries && delivery.attempts > maxAttempts) {
      this.#exhausted(delivery, `it was delivered ${maxAttempts} times and never acknowledged`)
      return undefined
    }
    let item: Item | undefined
    try {
      item = this.#decode(delivery.record, delivery)
    } catch (error) {
      this.#unreadable(delivery, error)
      return undefined
    }
    const { committer } = this.intake
    if (item === undefined) this.settle(delivery)
    else if (committer !== undefined && typeof item === 'object' && item !== null) remember(item, delivery, committer)
    return item
  }

  acknowledge(delivery: Delivery): void {
    if (this.settings.delivery === 'exactly-once') {
      throw new AegisError(
        'ACK_OUTSIDE_TRANSACTION',
        'under exactly-once a transaction acknowledges: that of run(handler), or acknowledge(tx, item)',
      )
    }
    this.settle(delivery)
  }

  /** Acknowledges, however the subscription delivers. */
  settle({ window, slot }: Delivery): void {
    if (window.released) return
    window.acknowledge(slot)
    this.intake.touched(window)
  }

  refuse(delivery: Delivery, { delay, reason = 'refused' }: NackOptions): void {
    if (this.settings.delivery === 'at-most-once' || delivery.refused || !delivery.open) return
    const asked = delay === undefined ? undefined : duration('delay', delay)
    if (delivery.inRun) {
      delivery.refusal = { reason, ...(asked !== undefined && { delay: asked }) }
      return
    }
    const wait = this.failed(delivery, reason, asked)
    if (wait === undefined) return
    delivery.refused = true
    this.intake.redeliver(delivery, wait)
  }

  /** How long to wait until the next attempt, in milliseconds; `undefined` when there is none. */
  failed(delivery: Delivery, reason: unknown, delay?: number): number | undefined {
    const { window, slot, attempts } = delivery
    if (attempts >= this.settings.maxAttempts) {
      this.#exhausted(delivery, reason)
      return undefined
    }
    const wait = delay ?? this.settings.backoff(attempts)
    if (wait > 0) window.postpone(slot, Date.now() + wait)
    this.intake.touched(window)
    return wait
  }

  /** As `failed`, when the handler of `run` has said so with `nack()`. */
  failedBy(delivery: Delivery, { reason, delay }: NackOptions): number | undefined {
    return this.failed(delivery, reason, delay === undefined ? undefined : duration('delay', delay))
  }

  /** Resolves when all dead letters on their way are durable. */
  async buried(): Promise<void> {
    await Promise.all(this.#burials)
  }

  #exhausted(delivery: Delivery, reason: unknown): void {
    if (this.settings.groupId !== undefined) {
      this.#bury(delivery, reason)
      return
    }
    if (this.settings.onError === 'skip') return
    const { topic, partition, offset } = delivery.record
    this.intake.fail(
      new AegisError(
        'ATTEMPTS_EXHAUSTED',
        `the message at offset ${offset} of ${topic}/${partition} was refused ${delivery.attempts} times: ${reasonOf(reason)}`,
        { cause: reason, details: { topic, partition, offset } },
      ),
    )
  }

  #unreadable(delivery: Delivery, error: unknown): void {
    if (this.settings.groupId !== undefined) this.#bury(delivery, error)
    else if (this.settings.onError === 'throw') this.intake.fail(error)
  }

  /** In one transaction: the dead letter is there and the message is acknowledged, or neither. */
  #bury(delivery: Delivery, reason: unknown): void {
    const { log, topic } = this
    const { groupId } = this.settings
    const { committer } = this.intake
    if (groupId === undefined || committer === undefined) return
    const work = async (): Promise<void> => {
      await createDeadLetterTopic(log, topic)
      await log.transaction((tx: Transaction) => {
        tx.append(deadLetterTopic(topic), deadLetter(delivery, groupId, reasonOf(reason)))
        committer.stage(tx, delivery.window, [delivery.slot])
      })
      this.intake.touched(delivery.window)
    }
    const burial = work()
      .catch((error: unknown) => {
        // Another member has the partition, and will find the message as bad as we did.
        if (!AegisError.is(error, 'GENERATION_FENCED')) this.intake.fail(error)
      })
      .finally(() => this.#burials.delete(burial))
    this.#burials.add(burial)
  }
}
