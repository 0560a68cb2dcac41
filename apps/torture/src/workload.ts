import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { Follower, GroupMember, Log, OutgoingRecord, RecordPosition } from '@aegis/log'
import { sendJobs, takeJobs, workOnce } from './delivery-workload.ts'
import type { Polled } from './history.ts'
import { readRows, truncateStreams, writeRows } from './keyed-workload.ts'
import { Random } from './random.ts'
import type { Line } from './recorder.ts'
import { Report } from './report.ts'
import { bytes, groupId, keys, partitions, text, topics } from './topics.ts'

export interface WorkloadOptions {
  readonly seed: number
  /** Names of processes and values start with it, so that they are unique over several runs on one log. */
  readonly name: string
  readonly emit: (line: Line) => void
  readonly signal: AbortSignal
}

/** Milliseconds after which those that have not ended, when they should, are named. */
const longestEnd = 120_000

function sayWhoIsLeft(running: ReadonlySet<string>): void {
  const say = (): void => {
    if (running.size > 0) console.error(`still running: ${[...running].join(', ')}`)
  }
  setTimeout(say, longestEnd).unref()
}

/** Milliseconds: whoever is killed is to be replaced soon. */
const sessionTimeout = 2_000

/**
 * Runs producers, transactions, version checks, a reader, the members of a group, what compacts and truncates, and
 * subscriptions of every kind, on a log until the signal or a failure.
 */
export async function runWorkload(log: Log, options: WorkloadOptions): Promise<void> {
  await log.createTopic(topics.plain, { partitions })
  await log.createTopic(topics.copies, { partitions: 2 })
  await log.createTopic(topics.keyed, { keyed: 'history' })
  const { compaction, truncation } = log.capabilities
  if (compaction) await log.createTopic(topics.rows, { keyed: 'latest', cleanup: 'compact', partitions: 2 })
  if (truncation) await log.createTopic(topics.streams, { keyed: 'history' })
  await log.createTopic(topics.jobs, { partitions: 3 })
  await log.createTopic(topics.outputs)
  const workload = new Workload(log, options)
  await workload.run()
}

class Workload {
  readonly #log: Log
  readonly #options: WorkloadOptions
  readonly #stop = new AbortController()
  readonly #report: Report
  readonly #sequences = new Map<string, number>()

  constructor(log: Log, options: WorkloadOptions) {
    this.#log = log
    this.#options = options
    this.#report = new Report(options.emit)
  }

  async run(): Promise<void> {
    const { signal, name, seed } = this.#options
    // All loops listen to it.
    setMaxListeners(0, this.#stop.signal)
    signal.addEventListener('abort', () => this.#stop.abort(), { once: true })
    if (signal.aborted) this.#stop.abort()
    const random = new Random(seed)
    const running = new Set<string>()
    const loop = async (process: string, step: (process: string, random: Random) => Promise<void>): Promise<void> => {
      const own = new Random(random.below(2 ** 31))
      running.add(process)
      try {
        while (!this.#stop.signal.aborted) await step(`${name}.${process}`, own)
      } finally {
        running.delete(process)
      }
    }
    this.#stop.signal.addEventListener('abort', () => sayWhoIsLeft(running), { once: true })
    const { compaction, truncation } = this.#log.capabilities
    const host = { log: this.#log, signal: this.#stop.signal, report: this.#report }
    const loops = [
      ...['producer1', 'producer2', 'producer3'].map(process => loop(process, this.#produce)),
      ...['transaction1', 'transaction2', 'transaction3'].map(process => loop(process, this.#transact)),
      ...['writer1', 'writer2'].map(process => loop(process, this.#writeExpected)),
      loop('reader', this.#read),
      loop('maintenance', this.#maintain),
      ...['member1', 'member2', 'member3'].map(process => loop(process, this.#consume)),
      ...(compaction ? ['row1', 'row2'] : []).map(process => loop(process, writeRows(host))),
      ...(compaction ? [loop('rowReader', readRows(host))] : []),
      ...(truncation ? ['stream1', 'stream2'] : []).map(process => loop(process, truncateStreams(host))),
      loop('jobs', sendJobs(host)),
      ...['queue1', 'queue2', 'queue3'].map(process => loop(process, takeJobs(host, 'shared'))),
      ...['least1', 'least2'].map(process => loop(process, takeJobs(host, 'at-least-once'))),
      loop('most', takeJobs(host, 'at-most-once')),
      ...['exact1', 'exact2'].map(process => loop(process, workOnce(host))),
    ]
    // The first failure ends all; none of them is left running behind.
    const results = await Promise.allSettled(loops.map(running => running.catch(error => this.#fail(error))))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  #fail(error: unknown): never {
    this.#stop.abort()
    throw error
  }

  #produce = async (process: string, random: Random): Promise<void> => {
    const values = Array.from({ length: 1 + random.below(5) }, () => this.#report.value(process))
    const sent = values.map(value => ({ topic: topics.plain, value }))
    const records = values.map(value => ({ key: bytes(random.of(keys)), value: bytes(value) }))
    await this.#report.operation(process, { sent }, async () => {
      const positions = await this.#appendAsProducer(process, records, random.below(4) === 0)
      return {
        sent: sent.map((record, at) => ({
          ...record,
          partition: positions[at]!.partition,
          offset: positions[at]!.offset,
        })),
      }
    })
  }

  /** Where the log knows repeats, the append is sometimes repeated: it must add nothing, and be where it was. */
  async #appendAsProducer(
    process: string,
    records: readonly OutgoingRecord[],
    again: boolean,
  ): Promise<readonly RecordPosition[]> {
    if (this.#log.capabilities.repeats !== 'log') return (await this.#log.append(topics.plain, records)).positions
    const sequence = this.#sequences.get(process) ?? 0
    const append = () => this.#log.append(topics.plain, records, { producer: { id: process, sequence } })
    const { positions } = await append()
    this.#sequences.set(process, sequence + records.length)
    if (again) assert.deepEqual((await append()).positions, positions, 'a repeat has other positions')
    return positions
  }

  #maintain = async (): Promise<void> => {
    await this.#log.runMaintenance()
    await pause(20, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }

  #transact = async (process: string, random: Random): Promise<void> => {
    const [first, second] = [random.of(keys), random.of(keys)]
    const value = this.#report.value(process)
    const sent = [{ topic: topics.plain, value: this.#report.value(process) }]
    const written = [{ topic: topics.keyed, key: second, value }]
    await this.#report.operation(process, { sent, keysWritten: written }, async () => {
      let keyReads: { topic: string; key: string; version: number }[] = []
      const receipts = await this.#log.transaction(async tx => {
        const versions = await Promise.all([first, second].map(key => tx.get(topics.keyed, bytes(key))))
        keyReads = [first, second].map((key, at) => ({
          topic: topics.keyed,
          key,
          version: versions[at]?.version ?? -1,
        }))
        return [
          tx.append(topics.plain, { key: bytes(first), value: bytes(sent[0]!.value) }),
          tx.append(topics.keyed, { key: bytes(second), value: bytes(value) }),
        ] as const
      })
      const [plain, keyed] = receipts.map(receipt => receipt.positions[0]!)
      return {
        keyReads,
        sent: [{ ...sent[0]!, partition: plain!.partition, offset: plain!.offset }],
        keysWritten: [{ ...written[0]!, version: keyed!.version!, expected: keyReads[1]!.version }],
      }
    })
  }

  #writeExpected = async (process: string, random: Random): Promise<void> => {
    const key = random.of(keys)
    const version = (await this.#log.get(topics.keyed, bytes(key)))?.version ?? -1
    const written = { topic: topics.keyed, key, value: this.#report.value(process), expected: version }
    await this.#report.operation(process, { keysWritten: [written] }, async () => {
      const record = { key: bytes(key), value: bytes(written.value) }
      const { positions } = await this.#log.append(topics.keyed, record, {
        expected: version === -1 ? 'no-stream' : version,
      })
      return { keysWritten: [{ ...written, version: positions[0]!.version! }] }
    })
  }

  /** Follows everything from the beginning, for as long as it comes. */
  #read = async (process: string): Promise<void> => {
    const positions = new Map(Array.from({ length: partitions }, (_, partition) => [partition, 0]))
    const follower = this.#log.follow(topics.plain, { positions, signal: this.#stop.signal })
    const begun = new Set<number>()
    for (let page = await follower.next(); page !== undefined; page = await follower.next()) {
      const polled = this.#polled(page.partition, page.records, begun)
      await this.#report.operation(process, {}, async () => ({ polled: [polled] }))
    }
  }

  #polled(
    partition: number,
    records: readonly { offset: number; value: Uint8Array | null }[],
    begun: Set<number>,
  ): Polled {
    const continues = begun.has(partition)
    begun.add(partition)
    return {
      topic: topics.plain,
      partition,
      continues,
      records: records.map(({ offset, value }) => ({ offset, value: text(value) })),
    }
  }

  /** A member that copies each record once, in the transaction of its position, and now and then leaves the group. */
  #consume = async (process: string, random: Random): Promise<void> => {
    let follower: Follower | undefined
    let pages = 3 + random.below(20)
    const next = new Map<number, number>()
    const begun = new Set<number>()
    const follow = (): void => {
      follower?.close()
      follower = this.#log.follow(topics.plain, {
        positions: next,
        maxRecords: 1 + random.below(50),
        signal: this.#stop.signal,
      })
    }
    const member: GroupMember = await this.#log.join({
      groupId,
      topic: topics.plain,
      sessionTimeout,
      onAssignment: async ({ assigned, revoked }) => {
        for (const partition of revoked) next.delete(partition)
        for (const partition of assigned) next.set(partition, await this.#committed(process, partition))
        for (const partition of assigned) begun.delete(partition)
        follow()
      },
    })
    if (follower === undefined) follow()
    try {
      while (pages-- > 0 && !this.#stop.signal.aborted) {
        const current: Follower = follower!
        const page = await current.next()
        // Another assignment has replaced the follower: its positions have not moved.
        if (page === undefined || current !== follower) continue
        // Before the copy: an assignment in the middle of it goes on behind the page, or finds what was committed.
        next.set(page.partition, page.nextOffset)
        const copying = this.#copy(process, page, member, begun)
        // It is awaited below, unless leaving fails first: for the same reason, then.
        copying.catch(() => undefined)
        // The last page is committed while the partitions are going to others: all of it in time, or none of it.
        if (pages === 0) await member.leave()
        if (!(await copying)) break
      }
    } finally {
      follower?.close()
      await member.leave()
    }
  }

  #committed = async (process: string, partition: number): Promise<number> => {
    let offset = 0
    await this.#report.operation(process, {}, async () => {
      offset = (await this.#log.committed(groupId, topics.plain, partition))?.offset ?? 0
      return { committedReads: [{ group: groupId, topic: topics.plain, partition, offset }] }
    })
    return offset
  }

  #copy = async (
    process: string,
    page: { partition: number; nextOffset: number; records: readonly { offset: number; value: Uint8Array | null }[] },
    member: GroupMember,
    begun: Set<number>,
  ): Promise<boolean> => {
    const { partition, records, nextOffset: offset } = page
    const polled = [this.#polled(partition, records, begun)]
    const sent = records.map(({ value }) => ({ topic: topics.copies, value: `copy of ${text(value)}` }))
    const committed = [{ group: groupId, topic: topics.plain, partition, offset }]
    return this.#report.operation(process, { polled, sent, committed }, async () => {
      const receipt = await this.#log.transaction(tx => {
        tx.commitPosition({ groupId, topic: topics.plain, partition, offset, member })
        return tx.append(
          topics.copies,
          sent.map(({ value }) => ({ value: bytes(value) })),
        )
      })
      const places = receipt.positions
      return {
        sent: sent.map((record, at) => ({ ...record, partition: places[at]!.partition, offset: places[at]!.offset })),
      }
    })
  }
}
