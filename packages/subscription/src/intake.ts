import type { CommittedPosition, GroupMember, Log, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { AssignedPartition, type Source } from './assigned-partition.ts'
import { Committer } from './committer.ts'
import { Delayed } from './delayed.ts'
import { Delivery } from './delivery.ts'
import { DeliveryCounts } from './delivery-counts.ts'
import type { Feed, SeekTo, Taker, TopicLag } from './feed.ts'
import { GroupOffsets } from './group-offsets.ts'
import { LostAcknowledgements } from './lost-acknowledgements.ts'
import { type Page, PageReader, type PageTaker } from './page-reader.ts'
import { Progress } from './progress.ts'
import { ReadyPartitions } from './ready-partitions.ts'
import { RetryQueue } from './retry-queue.ts'
import { retrySpace } from './retry-rows.ts'
import { invalid, type Settings } from './settings.ts'

/** Gets the records of a topic, those of the partitions that the group has given us, in the order of delivery. */
export class Intake implements Feed, Source, PageTaker {
  readonly topic: string
  readonly #log: Log
  readonly #settings: Settings
  readonly #taker: Taker
  readonly #partitions = new Map<number, AssignedPartition>()
  readonly #delayed = new Delayed(delivery => this.redeliver(delivery, 0))
  readonly #committer: Committer | undefined
  readonly #ready: ReadyPartitions
  #demanded = false
  readonly #progress: Progress
  readonly #offsets: GroupOffsets
  readonly #reader: PageReader
  #member: GroupMember | undefined
  #closed = false
  /** It waits to hear which partitions are still its own. */
  #confirming = false
  /** The pages are taken in one after the other. */
  #receiving: Promise<void> = Promise.resolve()
  /** Partitions are being given away, and what is acknowledged of them is committed. */
  #revoking: Promise<void> = Promise.resolve()
  readonly lost = new LostAcknowledgements()
  readonly #counts: DeliveryCounts | undefined

  private constructor(log: Log, topic: string, settings: Settings, taker: Taker, offsets: GroupOffsets) {
    this.#offsets = offsets
    this.#reader = new PageReader(log, topic, this, settings)
    this.#log = log
    this.topic = topic
    this.#settings = settings
    this.#ready = new ReadyPartitions(settings.maxPollRecords)
    this.#taker = taker
    this.#progress = new Progress(log, topic, status => taker.report(status))
    const { groupId } = settings
    if (groupId === undefined) return
    this.#committer = new Committer(log, topic, groupId, error => {
      // That the topic is gone is told by the reading: of several it may be one.
      if (!AegisError.is(error, 'TOPIC_UNKNOWN')) taker.fail(error)
    })
    if (!settings.countDeliveries || settings.shared || !this.#tracked) return
    this.#counts = new DeliveryCounts(this.#committer, {
      ready: this.#ready,
      has: partition => this.#has(partition),
      give: deliveries => this.#give(deliveries),
    })
  }

  /** Resolves when the start of every partition is fixed, and committed for a group. */
  static async open(log: Log, topic: string, settings: Settings, taker: Taker): Promise<Intake> {
    const { partitions } = await log.describeTopic(topic)
    const offsets = new GroupOffsets(log, topic, settings, partitions, await log.endOffset(topic))
    const intake = new Intake(log, topic, settings, taker, offsets)
    const { groupId } = settings
    if (groupId === undefined) {
      await intake.#assign(Array.from({ length: partitions }, (_, partition) => partition))
      return intake
    }
    const member = await log.join({
      groupId,
      topic,
      sessionTimeout: settings.sessionTimeout,
      ...(settings.instanceId !== undefined && { instanceId: settings.instanceId }),
      onAssignment: async ({ assigned, revoked }) => {
        await (intake.#revoking = intake.#revoke(revoked))
        await intake.#assign(assigned)
      },
    })
    intake.#member = member
    offsets.member = member
    if (intake.#committer !== undefined) intake.#committer.member = member
    if (!intake.#reader.following) intake.#follow()
    return intake
  }

  get grouped(): boolean {
    return this.#committer !== undefined
  }

  get confirmed(): boolean {
    const confirmed = this.#member?.confirmed()
    if (confirmed === undefined) return true
    if (!this.#confirming) {
      this.#confirming = true
      void confirmed.then(() => {
        this.#confirming = false
        this.#taker.wake()
      })
    }
    return false
  }

  /** Whether there is something to acknowledge: in a group, unless positions are committed ahead. */
  get #tracked(): boolean {
    return this.grouped && this.#settings.delivery !== 'at-most-once'
  }

  demand(): void {
    this.#demanded = true
    this.#reader.goOn()
    if (this.#ready.size > 0 || this.#closed) return
    this.#progress.idle(this.#partitions)
    this.#counts?.emptied()
  }

  take(only?: AssignedPartition): Delivery | undefined {
    if (this.#ready.size === 0 || !this.confirmed) return undefined
    // Of several topics it may be another's.
    if (only !== undefined && only.source !== this) return undefined
    const delivery = only === undefined ? this.#ready.take() : this.#ready.takeOf(only)
    this.#reader.goOn()
    return delivery
  }

  redeliver(delivery: Delivery, delay: number): void {
    if (!this.#has(delivery.partition) || !delivery.open) return
    if (delay > 0) {
      this.#delayed.add(delivery, delay)
      return
    }
    const counting = this.count(delivery)
    if (counting === undefined) this.#give([delivery])
    else {
      const give = (counted: boolean): void => {
        if (counted) this.#give([delivery])
      }
      counting.then(give, (error: unknown) => this.#taker.fail(error))
    }
  }

  count(delivery: Delivery): Promise<boolean> | undefined {
    return this.#counts?.count(delivery)
  }

  touched(partition: AssignedPartition): void {
    this.#committer?.touch(partition)
    if (!partition.full || partition.window.full(this.#settings.maxPollRecords)) return
    partition.full = false
    this.#follow()
  }

  stage(tx: Transaction, partition: AssignedPartition, deliveries: readonly Delivery[]): void {
    this.#committer?.stage(tx, partition, deliveries)
  }

  pause(number: number, paused: boolean): void {
    const partition = this.#partitions.get(number)
    if (partition === undefined) return
    this.#ready.pause(partition, paused)
    this.#follow()
    this.#taker.wake()
  }

  async seek(to: SeekTo, only?: number): Promise<void> {
    const moved = [...this.#partitions.values()].filter(({ partition }) => only === undefined || partition === only)
    const moves = await Promise.all(
      moved.map(async from => ({ from, offset: await this.#offsets.of(from.partition, to) })),
    )
    for (const { from, offset } of moves) {
      const { partition } = from
      if (this.#partitions.get(partition) !== from) continue
      // First, so that no commit of what was acknowledged before comes after that of the new position.
      await from.retries?.close()
      from.released = true
      this.#drop([from])
      if (!(await this.#offsets.commit(partition, offset))) continue
      if (!(this.#member?.partitions.has(partition) ?? true)) continue
      this.#add(partition, { offset, metadata: '' }).paused = from.paused
    }
    this.#follow()
  }

  async lag(): Promise<TopicLag[]> {
    const { groupId } = this.#settings
    const { topic } = this
    if (groupId === undefined) return invalid(`lag of ${topic} is that of a group: subscribe with a groupId`)
    return (await this.#log.lag(groupId, topic)).map(lag => ({ topic, ...lag }))
  }

  async putAside(deliveries: readonly Delivery[], due: number | ((delivery: Delivery) => number)): Promise<void> {
    const partition = deliveries[0]?.partition
    if (partition === undefined) return
    await this.#log.transaction(tx => {
      // First, for it deletes the rows that they may come from.
      this.stage(tx, partition, deliveries)
      for (const delivery of deliveries) {
        partition.retries?.put(tx, delivery, typeof due === 'number' ? due : due(delivery))
      }
    })
    this.touched(partition)
  }

  async commit(by: object = this): Promise<void> {
    await Promise.all([this.#revoking, this.#committer?.confirm(this.#partitions.values())])
    this.lost.tell(by)
  }

  /** As `commit`, of what is still ours. */
  async settle(): Promise<void> {
    await this.#committer?.commit(this.#partitions.values())
  }

  stop(): void {
    if (this.#closed) return
    this.#closed = true
    this.#delayed.clear()
    this.#reader.close()
    this.#counts?.emptied()
  }

  async leave(): Promise<void> {
    this.stop()
    try {
      const partitions = [...this.#partitions.values()]
      await this.#returnUndelivered(partitions)
      await this.#receiving
      for (const partition of partitions) partition.uncount()
      await Promise.all(partitions.map(({ retries }) => retries?.close()))
      await this.settle()
    } finally {
      this.#committer?.stop()
      for (const partition of this.#partitions.values()) partition.released = true
      await this.#member?.leave()
    }
  }

  /** Whether more is to be fetched: one page ahead of what is being handed over. */
  hasRoom(): boolean {
    const { delivery, maxPollRecords, maxPollBytes } = this.#settings
    if (!this.#demanded) return false
    // The position is committed when a page arrives: no sooner than somebody waits for it.
    if (delivery === 'at-most-once') return this.#ready.size === 0
    return this.#ready.size < maxPollRecords && this.#ready.bytes < maxPollBytes
  }

  gone(): void {
    this.#taker.ended(this)
  }

  failed(error: unknown): void {
    this.#taker.fail(error)
  }

  receive(page: Page): Promise<void> {
    let partition = this.#partitions.get(page.partition)
    if (partition === undefined) {
      // A group's has just been taken away, or moved to another place.
      if (this.grouped) return Promise.resolve()
      // It was added to the topic, and nobody can have read anything of it.
      partition = this.#add(page.partition, { offset: 0, metadata: '' })
    }
    partition.next = page.nextOffset
    // One after the other, also when another reader has taken the place of the one that has read it.
    const received = this.#receiving.then(() => this.#receive(partition, page))
    this.#receiving = received.catch(() => undefined)
    return received
  }

  async #receive(partition: AssignedPartition, { records, nextOffset, bytes }: Page): Promise<void> {
    const { window } = partition
    // In the turn in which the records are added: a commit in between would take them for acknowledged.
    window.next = nextOffset
    if (records.length === 0) {
      window.pass()
      this.touched(partition)
      this.#taker.wake()
      return
    }
    const now = this.#log.now()
    const each = Math.ceil(bytes / records.length)
    const deliveries: Delivery[] = []
    for (const record of records) {
      const slot = window.add(record.offset)
      if (slot === undefined) continue
      const delivery = new Delivery(record, partition, slot, each)
      delivery.attempts = window.deliveries(slot)
      delivery.suspect = delivery.attempts > 0
      const due = window.dueAt(slot)
      delivery.postponed = due > 0
      if (due <= now) deliveries.push(delivery)
      else if (this.#taker.keepsOrder) {
        delivery.notBefore = due
        deliveries.push(delivery)
      } else this.#delayed.add(delivery, due - now)
    }
    const { delivery, maxPollRecords } = this.#settings
    if (delivery === 'at-most-once') {
      this.#demanded = false
      if (!(await this.#offsets.commit(partition.partition, nextOffset)) || partition.released) return
    }
    if (this.#counts === undefined) this.#give(deliveries)
    else await this.#counts.give(partition, deliveries)
    if (!this.hasRoom()) this.#progress.behind()
    if (!partition.tracked || partition.released || !window.full(maxPollRecords)) return
    partition.full = true
    this.#follow()
    // What only waits for its time is not to keep it from moving on.
    const waiting = this.#delayed.remove(partition)
    this.putAside(waiting, ({ slot }) => window.dueAt(slot)).catch((error: unknown) => {
      if (!AegisError.is(error, 'GENERATION_FENCED')) this.#taker.fail(error)
    })
  }

  #give(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.#ready.push(delivery)
    this.#taker.wake()
  }

  async #revoke(revoked: readonly number[]): Promise<void> {
    const partitions = revoked.flatMap(partition => this.#partitions.get(partition) ?? [])
    if (partitions.length === 0) return
    const undelivered = this.#returnUndelivered(partitions)
    this.#drop(partitions)
    this.#counts?.emptied()
    this.#follow()
    this.#taker.report({ type: 'revoked', topic: this.topic, partitions: partitions.map(({ partition }) => partition) })
    try {
      await undelivered
      for (const partition of partitions) partition.uncount()
      await Promise.all(partitions.map(({ retries }) => retries?.close()))
      // What is acknowledged while that is on its way is ours to commit as well.
      do await this.#committer?.confirm(partitions)
      while (partitions.some(({ window }) => window.acknowledgesUnconfirmed))
    } catch (error) {
      this.lost.note(error)
      if (!AegisError.is(error, 'GENERATION_FENCED')) throw error
    } finally {
      for (const partition of partitions) partition.released = true
      this.#taker.wake()
    }
  }

  async #assign(assigned: readonly number[]): Promise<void> {
    if (assigned.length === 0) return
    for (const partition of assigned) this.#add(partition, await this.#offsets.start(partition))
    this.#follow()
    this.#taker.report({ type: 'assigned', topic: this.topic, partitions: assigned })
  }

  #add(number: number, position: CommittedPosition): AssignedPartition {
    const tracked = this.#tracked
    const partition = new AssignedPartition(this, number, position, tracked)
    const { groupId } = this.#settings
    if (tracked && groupId !== undefined) {
      const space = retrySpace(this.#log.topic(this.topic), groupId)
      const deliver = (delivery: Delivery): void => this.redeliver(delivery, 0)
      partition.retries = new RetryQueue(this.#log, space, partition, deliver, error => this.#taker.fail(error))
      partition.retries.wake()
    }
    this.#partitions.set(number, partition)
    this.#ready.add(partition)
    return partition
  }

  #has(partition: AssignedPartition): boolean {
    return !this.#closed && this.#partitions.get(partition.partition) === partition
  }

  /** Nothing of them is given out any more. */
  #drop(partitions: readonly AssignedPartition[]): void {
    for (const partition of partitions) {
      partition.leaving = true
      this.#partitions.delete(partition.partition)
    }
    this.#ready.remove(partitions)
  }

  /** Under at-most-once the position is ahead of what was handed over: it goes back to the first that was not. */
  async #returnUndelivered(partitions: readonly AssignedPartition[]): Promise<void> {
    if (this.#settings.delivery !== 'at-most-once') return
    const first = partitions.map(({ partition, ready, taken }) => {
      if (taken === undefined || taken.settling !== undefined) return { partition, offset: ready.firstOffset }
      // It was waiting for its turn: that is not to come here any more.
      taken.lapsed = true
      return { partition, offset: taken.record.offset }
    })
    for (const { partition, offset } of first) if (offset !== undefined) await this.#offsets.commit(partition, offset)
  }

  #follow(): void {
    const active = [...this.#partitions.values()].filter(({ full, paused }) => !full && !paused)
    const { key, maxPollRecords, maxPollBytes } = this.#settings
    this.#reader.follow({
      positions: new Map(active.map(({ partition, next }) => [partition, next])),
      ...(key && { key }),
      // In a group they come by assignment.
      addedPartitions: !this.grouped,
      maxRecords: maxPollRecords,
      maxBytes: maxPollBytes,
    })
  }
}
