import type { CommittedPosition, Follower, GroupMember, Log, ReadResult } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { Committer } from './committer.ts'
import { Delayed } from './delayed.ts'
import { Delivery, type Settling } from './delivery.ts'
import type { Settings } from './options.ts'
import { PartitionWindow } from './partition-window.ts'

type Page = ReadResult & { readonly partition: number }

/** Gets the records of a topic, those of the partitions that the group has given us, in the order of delivery. */
export class Intake {
  readonly #log: Log
  readonly #topic: string
  readonly #settings: Settings
  readonly #settling: Settling
  readonly #windows = new Map<number, PartitionWindow>()
  readonly #delayed: Delayed
  readonly committer: Committer | undefined
  #ready: Delivery[] = []
  #taken = 0
  #follower: Follower | undefined
  #page: Promise<Page | undefined> | undefined
  #member: GroupMember | undefined
  #closed = false
  #failure: { readonly error: unknown } | undefined
  #wake: () => void = () => undefined

  private constructor(log: Log, topic: string, settings: Settings, settling: Settling) {
    this.#log = log
    this.#topic = topic
    this.#settings = settings
    this.#settling = settling
    this.#delayed = new Delayed(delivery => this.redeliver(delivery, 0))
    const { groupId } = settings
    if (groupId !== undefined) this.committer = new Committer(log, topic, groupId, error => this.fail(error))
  }

  /** Resolves when the start of every partition is fixed, and committed for a group. */
  static async open(log: Log, topic: string, settings: Settings, settling: Settling): Promise<Intake> {
    const intake = new Intake(log, topic, settings, settling)
    const { partitions } = await log.describeTopic(topic)
    const end = await log.endOffset(topic)
    const { groupId } = settings
    if (groupId === undefined) {
      const all = Array.from({ length: partitions }, (_, partition) => partition)
      await intake.#assign(all, partitions, end)
      return intake
    }
    const member = await log.join({
      groupId,
      topic,
      onAssignment: async ({ assigned, revoked }) => {
        await intake.#revoke(revoked)
        await intake.#assign(assigned, partitions, end)
      },
    })
    intake.#member = member
    if (intake.committer !== undefined) intake.committer.member = member
    if (intake.#follower === undefined) intake.#follow()
    return intake
  }

  /** The next delivery, waiting for it; `undefined` once closed. */
  async next(): Promise<Delivery | undefined> {
    for (;;) {
      const delivery = this.take()
      if (delivery !== undefined) return delivery
      if (this.#closed) return undefined
      const woken = new Promise<void>(resolve => {
        this.#wake = resolve
      })
      const follower = this.#follower!
      this.#page ??= follower.next()
      const page = this.#page
      const arrived = await Promise.race([page.then(result => ({ result })), woken])
      // Another assignment has replaced the follower: what the old one had is fetched again where it is still ours.
      if (this.#follower !== follower || arrived === undefined) continue
      this.#page = undefined
      if (this.#closed) return undefined
      if (arrived.result === undefined) {
        this.#check()
        throw new AegisError('SUBSCRIPTION_CLOSED', `topic ${this.#topic} was deleted, or its log closed`)
      }
      await this.#receive(arrived.result)
    }
  }

  /** The next delivery if there is one at once. With `window` only if it is of that one. */
  take(window?: PartitionWindow): Delivery | undefined {
    this.#check()
    while (this.#taken < this.#ready.length) {
      const delivery = this.#ready[this.#taken]!
      if (delivery.open && window !== undefined && delivery.window !== window) return undefined
      this.#taken++
      if (this.#taken === this.#ready.length) {
        this.#ready = []
        this.#taken = 0
      }
      if (delivery.open) return delivery
    }
    return undefined
  }

  /** Delivers once more, after a while in milliseconds. */
  redeliver(delivery: Delivery, delay: number): void {
    if (this.#closed || !delivery.open) return
    if (delay > 0) {
      this.#delayed.add(delivery, delay)
      return
    }
    this.#ready.push(delivery)
    this.#wake()
  }

  /** To be called when something of a window was acknowledged or postponed. */
  touched(window: PartitionWindow): void {
    this.committer?.touch(window)
    if (!window.paused || window.full(this.#settings.maxPollRecords)) return
    window.paused = false
    this.#follow()
  }

  /** Ends it: `next` throws the error. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#wake()
  }

  /** What is acknowledged now becomes durable. */
  async commit(): Promise<void> {
    await this.committer?.commit(this.#windows.values())
  }

  /** Nothing more is fetched or given out; what was given out can still be acknowledged until `leave`. */
  stop(): void {
    if (this.#closed) return
    this.#closed = true
    this.#delayed.clear()
    this.#follower?.close()
    this.#wake()
  }

  /** Commits, and gives the partitions to the others of the group. */
  async leave(): Promise<void> {
    this.stop()
    try {
      await this.#returnUndelivered([...this.#windows.values()])
      await this.commit()
    } finally {
      this.committer?.stop()
      for (const window of this.#windows.values()) window.released = true
      await this.#member?.leave()
    }
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #receive({ partition, records, nextOffset }: Page): Promise<void> {
    // A partition that was added to the topic, of which nobody can have read anything.
    const window = this.#windows.get(partition) ?? this.#window(partition, { offset: 0, metadata: '' })
    window.next = nextOffset
    const now = Date.now()
    const deliveries: Delivery[] = []
    for (const record of records) {
      const slot = window.add(record.offset)
      if (slot === undefined) continue
      const delivery = new Delivery(record, window, slot, this.#settling)
      const wait = (window.dueAt(slot) ?? 0) - now
      if (wait > 0) this.#delayed.add(delivery, wait)
      else deliveries.push(delivery)
    }
    if (this.#settings.delivery === 'at-most-once' && !(await this.#commitOffset(window, nextOffset))) return
    for (const delivery of deliveries) this.#ready.push(delivery)
    if (this.#settings.groupId === undefined || !window.full(this.#settings.maxPollRecords)) return
    window.paused = true
    this.#follow()
  }

  async #revoke(partitions: readonly number[]): Promise<void> {
    const windows = partitions.flatMap(partition => this.#windows.get(partition) ?? [])
    if (windows.length === 0) return
    for (const { partition } of windows) this.#windows.delete(partition)
    const undelivered = this.#returnUndelivered(windows)
    this.#ready = this.#ready.slice(this.#taken).filter(({ window }) => !windows.includes(window))
    this.#taken = 0
    this.#follow()
    try {
      await undelivered
      await this.committer?.commit(windows)
    } finally {
      for (const window of windows) window.released = true
      this.#wake()
    }
  }

  async #assign(partitions: readonly number[], known: number, end: number): Promise<void> {
    if (partitions.length === 0) return
    const { groupId } = this.#settings
    for (const partition of partitions) {
      let position = groupId === undefined ? undefined : await this.#log.committed(groupId, this.#topic, partition)
      if (position === undefined) {
        // What comes into partitions that are new since then was published after the start.
        const offset = partition < known ? await this.#startOf(partition, end) : 0
        position = { offset, metadata: '' }
        if (groupId !== undefined) {
          await this.#log.commitPosition({ groupId, topic: this.#topic, partition, ...position })
        }
      }
      this.#window(partition, position)
    }
    this.#follow()
  }

  #window(partition: number, position: CommittedPosition): PartitionWindow {
    const { groupId, delivery } = this.#settings
    const window = new PartitionWindow(partition, position, groupId !== undefined && delivery !== 'at-most-once')
    this.#windows.set(partition, window)
    return window
  }

  async #startOf(partition: number, end: number): Promise<number> {
    const { from } = this.#settings
    if (from === 'latest') return end
    if (from === 'earliest') return 0
    return 'offset' in from ? from.offset : this.#log.offsetForTime(this.#topic, partition, from.time)
  }

  /** Under at-most-once the position is ahead of what was handed over: it goes back to the first that was not. */
  async #returnUndelivered(windows: readonly PartitionWindow[]): Promise<void> {
    if (this.#settings.delivery !== 'at-most-once') return
    const first = new Map<PartitionWindow, number>()
    for (const { window, record } of this.#ready.slice(this.#taken)) {
      first.set(window, Math.min(first.get(window) ?? record.offset, record.offset))
    }
    for (const window of windows) {
      const offset = first.get(window)
      if (offset !== undefined) await this.#commitOffset(window, offset)
    }
  }

  /** Gives false when the partition is another member's now. */
  async #commitOffset({ partition }: PartitionWindow, offset: number): Promise<boolean> {
    const { groupId } = this.#settings
    if (groupId === undefined) return true
    const member = this.#member
    try {
      await this.#log.commitPosition({ groupId, topic: this.#topic, partition, offset, ...(member && { member }) })
      return true
    } catch (error) {
      if (AegisError.is(error, 'GENERATION_FENCED')) return false
      throw error
    }
  }

  #follow(): void {
    const before = this.#follower
    const active = [...this.#windows.values()].filter(window => !window.paused)
    this.#follower = this.#log.follow(this.#topic, {
      positions: new Map(active.map(({ partition, next }) => [partition, next])),
      // In a group they come by assignment.
      addedPartitions: this.#settings.groupId === undefined,
      maxRecords: this.#settings.maxPollRecords,
    })
    this.#page = undefined
    before?.close()
    if (this.#closed) this.#follower.close()
    this.#wake()
  }
}
