import type { Follower, GroupMember, Log, LogRecord, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { PartitionState } from './partition-state.ts'

export type Delivery = 'at-least-once' | 'at-most-once' | 'exactly-once'

/** Where to start when the group has no position: `offset` in the topic, `time` of appending in milliseconds. */
export type From = 'latest' | 'earliest' | { readonly offset: number } | { readonly time: number }

export interface SubscriptionOptions {
  /** Members of one group share the partitions, and go on where the group was. */
  groupId?: string
  /** Default `'latest'`. */
  from?: From
  /** Default `'at-least-once'`. */
  delivery?: Delivery
  /** Asking for the next item acknowledges the one before. Default false. */
  autoCommit?: boolean
  /** Largest number of records fetched at once. Default 500. */
  maxPollRecords?: number
  /** Closes the subscription. */
  signal?: AbortSignal
}

interface Fetched {
  readonly record: LogRecord
  readonly state: PartitionState
}

const commitInterval = 100

/** The items of one topic, one after the other. Leaving the loop closes it. */
export class Subscription<Item> implements AsyncIterable<Item>, AsyncDisposable {
  readonly #log: Log
  readonly #topic: string
  readonly #options: SubscriptionOptions
  readonly #decode: (record: LogRecord, ack: () => void) => Item
  readonly #delivery: Delivery
  readonly #states = new Map<number, PartitionState>()
  #buffer: Fetched[] = []
  #follower: Follower | undefined
  #member: GroupMember | undefined
  #active = false
  #closing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #commits: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined
  readonly #abort = (): void => void this.close().catch(() => undefined)

  private constructor(
    log: Log,
    topic: string,
    decode: (record: LogRecord, ack: () => void) => Item,
    options: SubscriptionOptions,
  ) {
    this.#log = log
    this.#topic = topic
    this.#decode = decode
    this.#options = options
    this.#delivery = options.delivery ?? 'at-least-once'
  }

  /**
   * Resolves when the start is fixed, and committed for groups: what is appended afterwards arrives.
   * @throws AegisError `SUBSCRIPTION_INVALID`, `TOPIC_UNKNOWN`
   */
  static async open<Item>(
    log: Log,
    topic: string,
    decode: (record: LogRecord, ack: () => void) => Item,
    options: SubscriptionOptions = {},
  ): Promise<Subscription<Item>> {
    const { groupId, delivery, signal } = options
    if (delivery === 'exactly-once' && groupId === undefined) {
      throw new AegisError(
        'SUBSCRIPTION_INVALID',
        `exactly-once on ${topic} needs a groupId: the position is kept with the group`,
      )
    }
    signal?.throwIfAborted()
    const { partitions } = await log.describeTopic(topic)
    const subscription = new Subscription(log, topic, decode, options)
    const end = log.endOffset(topic)
    if (groupId === undefined) {
      await subscription.#assign(
        Array.from({ length: partitions }, (_, partition) => partition),
        end,
      )
    } else {
      subscription.#member = await log.join({
        groupId,
        topic,
        onAssignment: async ({ assigned, revoked }) => {
          await subscription.#revoke(revoked)
          await subscription.#assign(assigned, end)
        },
      })
      if (subscription.#follower === undefined) subscription.#follow()
    }
    signal?.addEventListener('abort', subscription.#abort, { once: true })
    if (signal?.aborted === true) await subscription.close()
    return subscription
  }

  /** One loop at a time. @throws AegisError `SUBSCRIPTION_BUSY`, `SUBSCRIPTION_CLOSED` */
  [Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    if (this.#delivery === 'exactly-once') {
      throw new AegisError(
        'SUBSCRIPTION_INVALID',
        'under exactly-once use run(handler): it gives the handler the transaction',
      )
    }
    this.#start()
    return this.#loop()
  }

  /** Calls the handler for each item, one at a time, and acknowledges when it returns; exactly-once: in `tx`. Ends on close. */
  async run(handler: (item: Item, tx: Transaction | undefined) => Promise<void> | void): Promise<void> {
    this.#start()
    try {
      for (let fetched = await this.#next(); fetched !== undefined; fetched = await this.#next()) {
        const { record, state } = fetched
        const item = this.#item(fetched)
        if (this.#delivery === 'exactly-once') {
          const { groupId } = this.#options
          const member = this.#member!
          await this.#log.transaction(async tx => {
            await handler(item, tx)
            tx.commitPosition({
              groupId: groupId!,
              topic: this.#topic,
              partition: record.partition,
              ...state.position(record.offset),
              member,
            })
          })
          state.ack(record.offset)
        } else {
          await handler(item, undefined)
          this.#ack(fetched)
        }
      }
    } finally {
      await this.close()
    }
  }

  /** Resolves when everything acknowledged so far is durable. */
  commit(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    return this.#flush([...this.#states.values()])
  }

  /** Commits what is acknowledged and leaves the group; the rest is delivered again. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#buffer = []
    this.#follower?.close()
    try {
      await this.commit()
    } finally {
      await this.#member?.leave()
    }
  }

  #start(): void {
    if (this.#closing !== undefined)
      throw new AegisError('SUBSCRIPTION_CLOSED', `the subscription of ${this.#topic} is closed: subscribe again`)
    if (this.#active)
      throw new AegisError(
        'SUBSCRIPTION_BUSY',
        `the subscription of ${this.#topic} has a loop already: subscribe once more for a second`,
      )
    this.#active = true
  }

  async *#loop(): AsyncGenerator<Item, void, undefined> {
    try {
      for (let fetched = await this.#next(); fetched !== undefined; fetched = await this.#next()) {
        yield this.#item(fetched)
        if (this.#options.autoCommit === true) this.#ack(fetched)
      }
    } finally {
      await this.close()
    }
  }

  async #next(): Promise<Fetched | undefined> {
    while (this.#closing === undefined) {
      this.#check()
      const fetched = this.#buffer.shift()
      if (fetched !== undefined) {
        if (this.#delivery !== 'at-most-once') return fetched
        fetched.state.ack(fetched.record.offset)
        await this.#flush([fetched.state])
        // Taken away while it was committed: it counts as handed over, so it must be.
        return fetched
      }
      const follower = this.#follower!
      const result = await follower.next()
      if (this.#follower !== follower || this.#closing !== undefined) continue
      this.#check()
      if (result === undefined)
        throw new AegisError('SUBSCRIPTION_CLOSED', `topic ${this.#topic} was deleted, or its log closed`)
      const state = this.#states.get(result.partition)!
      state.next = result.nextOffset
      this.#buffer.push(
        ...result.records.filter(record => state.fetched(record.offset)).map(record => ({ record, state })),
      )
    }
    return undefined
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  #item(fetched: Fetched): Item {
    return this.#decode(fetched.record, () => {
      if (this.#delivery === 'exactly-once') {
        throw new AegisError(
          'ACK_OUTSIDE_TRANSACTION',
          'under exactly-once run(handler) acknowledges in its transaction: leave out ack()',
        )
      }
      this.#ack(fetched)
    })
  }

  #ack({ record, state }: Fetched): void {
    // An item of a partition that was taken away is another member's now.
    if (this.#closing !== undefined || this.#states.get(state.partition) !== state) return
    state.ack(record.offset)
    if (this.#options.groupId === undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.commit().catch((error: unknown) => {
        this.#failure = { error }
        this.#follower?.close()
      })
    }, commitInterval)
  }

  #flush(states: readonly PartitionState[]): Promise<void> {
    const { groupId } = this.#options
    if (groupId === undefined || this.#delivery === 'exactly-once') return Promise.resolve()
    // One after the other, so that an older position never replaces a newer one.
    const run = this.#commits.then(async () => {
      for (const state of states) {
        if (!state.dirty) continue
        state.dirty = false
        try {
          await this.#log.commitPosition({
            groupId,
            topic: this.#topic,
            partition: state.partition,
            ...state.position(),
            ...(this.#member && { member: this.#member }),
          })
        } catch (error) {
          state.dirty = true
          throw error
        }
      }
    })
    this.#commits = run.catch(() => undefined)
    return run
  }

  async #revoke(partitions: readonly number[]): Promise<void> {
    if (partitions.length === 0) return
    const states = partitions.flatMap(partition => this.#states.get(partition) ?? [])
    for (const partition of partitions) this.#states.delete(partition)
    this.#buffer = this.#buffer.filter(({ state }) => !states.includes(state))
    this.#follow()
    await this.#flush(states)
  }

  async #assign(partitions: readonly number[], end: number): Promise<void> {
    if (partitions.length === 0) return
    const { groupId } = this.#options
    for (const partition of partitions) {
      let position = groupId === undefined ? undefined : await this.#log.committed(groupId, this.#topic, partition)
      if (position === undefined) {
        position = { offset: await this.#startOf(partition, end), metadata: '' }
        if (groupId !== undefined)
          await this.#log.commitPosition({ groupId, topic: this.#topic, partition, ...position })
      }
      this.#states.set(partition, new PartitionState(partition, position))
    }
    this.#follow()
  }

  async #startOf(partition: number, end: number): Promise<number> {
    const { from = 'latest' } = this.#options
    if (from === 'latest') return end
    if (from === 'earliest') return 0
    return 'offset' in from ? from.offset : this.#log.offsetForTime(this.#topic, partition, from.time)
  }

  #follow(): void {
    const before = this.#follower
    const positions = new Map([...this.#states.values()].map(state => [state.partition, state.next]))
    const { maxPollRecords } = this.#options
    this.#follower = this.#log.follow(this.#topic, {
      positions,
      ...(maxPollRecords !== undefined && { maxRecords: maxPollRecords }),
    })
    before?.close()
    if (this.#closing !== undefined) this.#follower.close()
  }
}
