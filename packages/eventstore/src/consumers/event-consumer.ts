import type { GroupMember } from '@aegis/log'
import type { CloseOptions, Handler } from '@aegis/subscription'
import type { DeliveredEvent } from '../delivered-event.ts'
import type { EventInput } from '../event.ts'
import { eventsTopic } from '../event-codec.ts'
import type { EventLog } from '../event-log.ts'
import { invalid } from '../invalid.ts'
import { type EventSubscription, type SubscribeEventsOptions, subscribeToEvents } from '../subscribe.ts'
import { isOfSlot, prepareSlots, slotGroup, slotGroups } from './slots.ts'

export interface ConsumeEventsOptions<E extends EventInput = EventInput>
  extends Omit<SubscribeEventsOptions<E>, 'groupId' | 'mode' | 'lease' | 'priority' | 'autoCommit' | 'instanceId'> {
  /** The group whose members share the streams. */
  groupId: string
  /** How many handlers run at a time in each of the member's slots, of different streams. Default 1. */
  concurrency?: number
}

/**
 * A member of a group that shares the streams with the others: each stream belongs to one of eight slots, and each slot to
 * one member at a time. The slot has its own position, so that whoever has it next goes on exactly where it was.
 */
export class EventConsumer<E extends EventInput = EventInput> implements AsyncDisposable {
  readonly #events: EventLog
  readonly #streams: string
  readonly #handler: Handler<DeliveredEvent<E>>
  readonly #options: ConsumeEventsOptions<E>
  readonly #slots = new Map<number, EventSubscription<E>>()
  /** Those of the slots, and of those that were given away and whose handlers are still at work. */
  readonly #open = new Set<EventSubscription<E>>()
  #member: GroupMember | undefined
  #closing: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined
  #resolve: () => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  /** Resolves when it is closed; rejects with what has ended it. */
  readonly closed: Promise<void>

  private constructor(
    events: EventLog,
    streams: string,
    handler: Handler<DeliveredEvent<E>>,
    options: ConsumeEventsOptions<E>,
  ) {
    this.#events = events
    this.#streams = streams
    this.#handler = handler
    this.#options = options
    this.closed = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever wants to know asks; nobody has to.
    this.closed.catch(() => undefined)
  }

  /** @internal Use `EventStore.consume`. */
  static async start<E extends EventInput>(
    events: EventLog,
    streams: string,
    handler: Handler<DeliveredEvent<E>>,
    options: ConsumeEventsOptions<E>,
  ): Promise<EventConsumer<E>> {
    check(handler, options)
    const { groupId, sessionTimeout, signal } = options
    signal?.throwIfAborted()
    const { log } = events
    const topic = await prepareSlots(log)
    const consumer = new EventConsumer(events, streams, handler, options)
    try {
      consumer.#member = await log.join({
        groupId,
        topic,
        ...(sessionTimeout !== undefined && { sessionTimeout }),
        onAssignment: change => consumer.#assign(change),
      })
    } catch (error) {
      await consumer.#end()
      throw error
    }
    const failure = consumer.#failure
    if (failure !== undefined) {
      await consumer.close().catch(() => undefined)
      // It has closed itself before it was a member.
      await consumer.#member.leave()
      throw failure.error
    }
    const abort = (): void => void consumer.close().catch(error => consumer.#reject(error))
    signal?.addEventListener('abort', abort, { once: true })
    events.dependents.add(consumer)
    const forget = (): void => {
      signal?.removeEventListener('abort', abort)
      events.dependents.delete(consumer)
    }
    consumer.closed.then(forget, forget)
    if (signal?.aborted === true) abort()
    return consumer
  }

  /** The slots that it has now, of those numbered 0 to 7. */
  get slots(): readonly number[] {
    return [...this.#slots.keys()].sort()
  }

  /** How many events the group has still to pass in the slot that is furthest behind, whoever has it. */
  async lag(): Promise<number> {
    const lags = await Promise.all(
      slotGroups(this.#options.groupId).map(groupId => this.#events.log.lag(groupId, eventsTopic)),
    )
    return Math.max(...lags.flat().map(({ lag }) => lag))
  }

  /**
   * Lets its handlers come to their end, with `timeout` for no longer than that, and leaves its streams to the others.
   * @throws AegisError `SUBSCRIPTION_INVALID`
   */
  async close(options: CloseOptions = {}): Promise<void> {
    // Whoever has less patience than somebody who waits already is heard, too.
    if (options.timeout !== undefined) {
      for (const subscription of this.#open) subscription.close(options).catch(() => undefined)
    }
    this.#closing ??= this.#end().then(this.#resolve, (error: unknown) => {
      this.#reject(error)
      throw error
    })
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    const slots = [...this.#slots.keys()]
    await Promise.all(slots.map(slot => this.#release(slot)))
    await this.#member?.leave()
  }

  async #assign({ assigned, revoked }: { assigned: readonly number[]; revoked: readonly number[] }): Promise<void> {
    try {
      await Promise.all(revoked.map(slot => this.#release(slot)))
      if (this.#closing === undefined) await Promise.all(assigned.map(slot => this.#take(slot)))
    } catch (error) {
      this.#fail(error)
    }
  }

  async #take(slot: number): Promise<void> {
    const { concurrency = 1, signal: _, groupId, ...options } = this.#options
    const subscription = await subscribeToEvents<E>(
      this.#events,
      this.#streams,
      { ...options, groupId: slotGroup(groupId, slot) },
      isOfSlot(slot),
    )
    this.#slots.set(slot, subscription)
    this.#open.add(subscription)
    subscription.onClose(() => this.#open.delete(subscription))
    if (this.#closing !== undefined) {
      await this.#release(slot)
      return
    }
    // It ends by itself only when nothing can go on.
    subscription.run(this.#handler, { concurrency, order: 'key' }).catch((error: unknown) => this.#fail(error))
  }

  async #release(slot: number): Promise<void> {
    const subscription = this.#slots.get(slot)
    this.#slots.delete(slot)
    await subscription?.close()
  }

  #fail(error: unknown): void {
    // What is closed anyway fails no more.
    if (this.#closing !== undefined) return
    this.#failure = { error }
    this.#reject(error)
    this.close().catch(() => undefined)
  }
}

const known: ReadonlySet<string> = new Set<keyof ConsumeEventsOptions>([
  'groupId',
  'concurrency',
  'types',
  'from',
  'delivery',
  'maxPollRecords',
  'maxPollBytes',
  'maxAttempts',
  'backoff',
  'onError',
  'sessionTimeout',
  'signal',
])

/** @throws AegisError `EVENT_INVALID` */
function check<E extends EventInput>(handler: Handler<DeliveredEvent<E>>, options: ConsumeEventsOptions<E>): void {
  if (typeof options !== 'object' || options === null) throw invalid('options of consume: give { groupId }')
  for (const option of Object.keys(options))
    if (!known.has(option))
      throw invalid(`option ${JSON.stringify(option)} of consume is not known: there are ${[...known].join(', ')}`)
  slotGroups(options.groupId)
  const { concurrency = 1 } = options
  if (!(Number.isSafeInteger(concurrency) && concurrency > 0))
    throw invalid(`concurrency ${String(concurrency)}: give a whole number from 1`)
  if (typeof handler !== 'function') throw invalid(`the handler of consume is ${typeof handler}: give a function`)
}
