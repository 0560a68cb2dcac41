import type { Consumer } from './consumer.ts'
import type { Delivery } from './delivery.ts'
import type { HandlerCalls } from './handler-calls.ts'
import { Lanes } from './lanes.ts'
import { noTransaction } from './no-transaction.ts'
import type { RunRate } from './run-rate.ts'
import type { RunSettings } from './settings.ts'
import type { Handler } from './subscription.ts'

// Deliveries that are taken and not begun: as many as a partition has between its position and its newest record, to find work beside
// slow keys. Their bytes are bounded too.
const mostTaken = 10_000
/** After so many milliseconds of handlers that do not wait, others of the process get their turn. */
const longestTurn = 10
/** The longest that a timer can wait, in milliseconds; who is early is put back. */
const longestTimer = 2 ** 31 - 1

/** Handlers side by side, while what belongs together stays in order: retries included, each lane does one at a time. */
export class OrderedRun<Item> {
  readonly #consumer: Consumer<Item>
  readonly #handler: Handler<Item>
  readonly #calls: HandlerCalls
  readonly #closing: AbortSignal
  readonly #lanes: Lanes
  readonly #limit: number
  readonly #concurrency: number
  readonly #rate: RunRate | undefined
  /** Whether a lane has its next one begin when one has begun: it only waits for its rate. */
  readonly #passing: boolean
  /** Their lane is free for them: those that were waiting behind another, and those whose time to be tried again has come. */
  #next: Delivery[] = []
  /** How many handlers are at work, and how many deliveries wait to be tried again. */
  #active = 0
  readonly #retries = new Map<Delivery, NodeJS.Timeout>()
  #scheduled = false
  #waitsForArrival = false
  #ended: { readonly error?: unknown } | undefined
  #resolve: () => void = () => undefined

  constructor(
    consumer: Consumer<Item>,
    handler: Handler<Item>,
    { concurrency, order }: RunSettings,
    rate: RunRate | undefined,
    calls: HandlerCalls,
    closing: AbortSignal,
  ) {
    this.#consumer = consumer
    this.#handler = handler
    this.#calls = calls
    this.#closing = closing
    this.#rate = rate
    this.#passing = order === 'none' && rate?.byKey === true
    this.#lanes = new Lanes(this.#passing ? 'key' : order)
    this.#concurrency = concurrency
    // What was taken and has not begun is lost with the process, and given back only when nothing was taken after it.
    this.#limit = consumer.settings.delivery === 'at-most-once' ? 1 : Math.max(mostTaken, 2 * concurrency)
  }

  /** Resolves when the subscription is closed and the handlers have ended. */
  async run(): Promise<void> {
    const stop = (): void => {
      for (const timer of this.#retries.values()) clearTimeout(timer)
      this.#retries.clear()
      this.#rate?.stop()
      this.#end({})
    }
    this.#closing.addEventListener('abort', stop, { once: true })
    try {
      const ended = new Promise<void>(resolve => {
        this.#resolve = resolve
      })
      if (this.#closing.aborted) stop()
      else this.#fill()
      await ended
    } finally {
      this.#closing.removeEventListener('abort', stop)
    }
    if (this.#ended?.error !== undefined) throw this.#ended.error
  }

  #end(ended: { readonly error?: unknown }): void {
    this.#ended ??= ended
    if (this.#active === 0) this.#resolve()
  }

  /** Starts as many handlers as there may be. */
  #fill(): void {
    this.#scheduled = false
    let began: number | undefined
    let started = 0
    try {
      while (this.#active < this.#concurrency && this.#ended === undefined && !this.#consumer.feeds.closed) {
        if (this.#rate?.holdsAll(() => this.#schedule()) === true) return
        const delivery = this.#nextOfLane() ?? this.#take()
        if (delivery === undefined) {
          this.#await()
          return
        }
        if (delivery.notBefore > 0 && this.#waits(delivery)) continue
        if (this.#rate?.byKey === true && this.#waitsForRate(this.#rate, delivery)) continue
        this.#start(delivery)
        if ((++started & 31) !== 0) continue
        began ??= performance.now()
        if (performance.now() - began < longestTurn) continue
        this.#scheduled = true
        setImmediate(() => this.#fill())
        return
      }
    } catch (error) {
      this.#end({ error })
    }
  }

  /** Whether the rate of its key lets it begin later only: its lane waits with it. */
  #waitsForRate(rate: RunRate, delivery: Delivery): boolean {
    const wait = delivery.open ? rate.wait(delivery) : 0
    if (wait === 0) return false
    const again = (): void => {
      this.#retries.delete(delivery)
      this.#next.push(delivery)
      this.#schedule()
    }
    this.#retries.set(delivery, setTimeout(again, Math.min(wait, longestTimer)))
    return true
  }

  /** The first that is not paused. */
  #nextOfLane(): Delivery | undefined {
    if (this.#next.length === 0) return undefined
    const { feeds } = this.#consumer
    const at = this.#next.findIndex(delivery => !feeds.isPaused(delivery))
    if (at === 0) return this.#next.shift()
    return at < 0 ? undefined : this.#next.splice(at, 1)[0]
  }

  /** The next delivery whose lane is free. */
  #take(): Delivery | undefined {
    const { feeds, settings } = this.#consumer
    const lanes = this.#lanes
    while (lanes.waiting + this.#retries.size < this.#limit && lanes.bytes < settings.maxPollBytes) {
      const delivery = feeds.take()
      if (delivery === undefined) return undefined
      if (this.#rate?.byKey === true && this.#passing) {
        const wait = this.#rate.putOff(delivery, lanes.ahead(delivery))
        if (wait > 0) {
          this.#consumer.postpone(delivery, wait)
          continue
        }
      }
      // With one at a time there is nothing to wait for, unless something is to be tried again, or its rate lets it begin later.
      if (this.#concurrency === 1 && lanes.free && this.#rate?.byKey !== true) return delivery
      if (lanes.enter(delivery)) return delivery
    }
    return undefined
  }

  /** Goes on when there is something to take. */
  #await(): void {
    if (this.#waitsForArrival) return
    this.#waitsForArrival = true
    void this.#consumer.feeds.arrival().then(() => {
      this.#waitsForArrival = false
      if (!this.#scheduled) this.#fill()
    })
  }

  /** One microtask later: handlers that end together make room together, so that what the next ones write shares a commit. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => this.#fill())
  }

  #start(delivery: Delivery): void {
    this.#active++
    let result: Promise<void> | undefined
    if (this.#passing) this.#leaveLane(delivery)
    try {
      // Taken away while it waited: it is delivered again, to whoever has it then.
      const item = delivery.open ? this.#consumer.item(delivery) : undefined
      if (item === undefined) {
        this.#leave(delivery)
      } else {
        delivery.inRun = true
        this.#rate?.begin(delivery)
        result = this.#calls.call(this.#handler, item, noTransaction) ?? undefined
        if (result === undefined) this.#succeeded(delivery)
        else void this.#waitFor(delivery, this.#calls.wait(result))
      }
    } catch (error) {
      this.#failed(delivery, error)
    } finally {
      if (result === undefined) this.#stopped()
    }
  }

  async #waitFor(delivery: Delivery, result: Promise<void>): Promise<void> {
    try {
      try {
        await result
        this.#succeeded(delivery)
      } catch (error) {
        this.#failed(delivery, error)
      }
    } catch (error) {
      this.#end({ error })
    }
    this.#stopped()
    if (this.#ended === undefined) this.#schedule()
  }

  #stopped(): void {
    this.#active--
    if (this.#ended !== undefined && this.#active === 0) this.#resolve()
  }

  #succeeded(delivery: Delivery): void {
    if (delivery.refusal !== undefined) {
      this.#failed(delivery, undefined)
      return
    }
    delivery.settle()
    this.#leave(delivery)
  }

  #failed(delivery: Delivery, error: unknown): void {
    const wait = delivery.open ? this.#waitAfter(delivery, error) : undefined
    if (wait === undefined) {
      this.#leave(delivery)
      return
    }
    if (this.#ended === undefined) this.#retryAfter(delivery, wait)
  }

  /** Whether it was refused by somebody who is gone, and is not due yet. */
  #waits(delivery: Delivery): boolean {
    const wait = delivery.notBefore - this.#consumer.log.now()
    delivery.notBefore = 0
    if (wait > 0) this.#retryAfter(delivery, wait)
    return wait > 0
  }

  #retryAfter(delivery: Delivery, wait: number): void {
    // Its lane waits with it.
    if (this.#concurrency === 1 && this.#lanes.free && !this.#passing) this.#lanes.enter(delivery)
    const again = (): void => {
      if (!this.#retries.delete(delivery)) return
      // It has left its lane when it began.
      if (!this.#passing || this.#lanes.enter(delivery)) this.#next.push(delivery)
      this.#schedule()
    }
    // It is delivered again, to whoever has it now.
    const away = (): void => {
      if (!this.#retries.delete(delivery)) return
      this.#leave(delivery)
      this.#schedule()
    }
    const count = (): void => {
      const counting = delivery.open ? delivery.partition.source.count(delivery) : undefined
      if (counting === undefined) again()
      else
        counting.then(
          counted => (counted ? again() : away()),
          (error: unknown) => this.#end({ error }),
        )
    }
    this.#retries.set(delivery, setTimeout(count, Math.min(wait, longestTimer)))
  }

  #waitAfter(delivery: Delivery, error: unknown): number | undefined {
    const { refusal } = delivery
    const ordered = !this.#passing && this.#lanes.hold(delivery)
    return refusal === undefined
      ? this.#consumer.failed(delivery, error, { ordered })
      : this.#consumer.failedBy(delivery, refusal, ordered)
  }

  #leave(delivery: Delivery): void {
    if (!this.#passing) this.#leaveLane(delivery)
  }

  #leaveLane(delivery: Delivery): void {
    if (this.#lanes.free) return
    const next = this.#lanes.leave(delivery)
    if (next !== undefined) this.#next.push(next)
  }
}
