import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { CloseOptions, Subscription, SubscriptionOptions } from '@aegis/subscription'
import type { Message } from './message.ts'
import { openSubscription, type Subscribed, type SubscribeOptions } from './subscribe.ts'
import type { Telemetry } from './telemetry.ts'
import type { TopicWatch } from './topic-pattern.ts'

/** The subscriptions that are open, and their patterns, for which topics may be created at any time. */
export class Subscriptions {
  readonly #log: Log
  readonly #defaults: SubscriptionOptions
  readonly #telemetry: Telemetry | undefined
  readonly #open = new Set<{ close(options: CloseOptions): Promise<void> }>()
  readonly #watches = new Set<TopicWatch>()
  #closed = false

  constructor(log: Log, defaults: SubscriptionOptions, telemetry: Telemetry | undefined) {
    this.#log = log
    this.#defaults = defaults
    this.#telemetry = telemetry
  }

  /** @throws AegisError `PUBSUB_CLOSED`, `TOPIC_UNKNOWN`, `SUBSCRIPTION_INVALID`, `PUBSUB_INVALID` */
  async open<Out>(topic: Subscribed<Out>, options: SubscribeOptions<Out>): Promise<Subscription<Message<Out>>> {
    this.#checkOpen()
    if (typeof options !== 'object' || options === null) {
      throw new AegisError('PUBSUB_INVALID', `the options of subscribe are ${String(options)}: give an object`)
    }
    const all = { ...this.#defaultsFor(options), ...options }
    const { subscription, watch } = await openSubscription(this.#log, topic, all, this.#telemetry)
    this.#open.add(subscription)
    if (watch !== undefined) this.#watches.add(watch)
    subscription.onClose(() => {
      this.#open.delete(subscription)
      if (watch === undefined) return
      this.#watches.delete(watch)
      watch.close()
    })
    // Closed meanwhile: nobody else would close it.
    if (this.#closed) await subscription.close()
    this.#checkOpen()
    const { groupId } = all
    if (groupId !== undefined) this.#telemetry?.watch(groupId, subscription)
    return subscription
  }

  /** Resolves when who has subscribed to a pattern has the topics that there are now. */
  async takeUpTopics(): Promise<void> {
    for (const watch of this.#watches) await watch.look()
  }

  async close(options: CloseOptions): Promise<void> {
    this.#closed = true
    const closed = await Promise.allSettled([...this.#open].map(subscription => subscription.close(options)))
    for (const result of closed) if (result.status === 'rejected') throw result.reason
  }

  #checkOpen(): void {
    if (this.#closed) throw new AegisError('PUBSUB_CLOSED', 'PubSub is closed: nothing can be subscribed to any more')
  }

  #defaultsFor({ delivery }: SubscriptionOptions): SubscriptionOptions {
    // Whoever asks for exactly-once does not have to know that the default would not go with it.
    if (delivery !== 'exactly-once') return this.#defaults
    const { autoCommit: _, ...others } = this.#defaults
    return others
  }
}
