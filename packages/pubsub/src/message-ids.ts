import {
  type Log,
  type OutgoingRecord,
  partitionForKey,
  type Receipt,
  type RecordPosition,
  type TopicDescription,
  type Transaction,
} from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { isLogGone } from './known-topic.ts'
import { headerOf, reserved } from './reserved-headers.ts'

/** Where the message of an id is: at this offset of the partition or a little after it, for what is decided with it is its place. */
interface Entry {
  readonly partition: number
  readonly offset: number
  /** When it was published, in milliseconds. */
  readonly time: number
}

/** A record with the id of its message, if it has one. */
export interface IdentifiedRecord {
  readonly record: OutgoingRecord
  readonly messageId: string | undefined
}

/** A place in the topic; `duplicate`: of the message that was there before. */
export type IdentifiedPosition = RecordPosition & { readonly duplicate?: true }

/** As a `Receipt`, with what was there before. */
export interface IdentifiedReceipt extends Receipt {
  readonly positions: readonly IdentifiedPosition[]
}

// One slice is looked through at a time, so that forgetting is done in small steps however many ids there are.
const slices = 64
const spaceOf = (slice: number): string => `$message-ids.${slice}`
const pageBytes = 1_000_000
const sweepInterval = 10_000
// No transaction lives longer (the log's limit is 10 s), and clocks of processes differ by less.
const longestCommit = 60_000

/**
 * Which messages with ids are in a topic. An id is written in the commit of its message and forgotten when the topic no
 * longer has the message, so that a repeat is recognised for as long as there is something to repeat.
 */
export class MessageIds {
  readonly #log: Log
  /** Where ids were published lately: most repeats come soon, and are not looked for. */
  readonly #recent = new RecentPlaces()
  #nextSlice = 0
  #timer: NodeJS.Timeout | undefined
  #sweeping: Promise<void> = Promise.resolve()

  constructor(log: Log) {
    this.#log = log
  }

  /** Appends what is not in the topic yet; of equal ids in the list only the first. */
  async append(
    tx: Transaction,
    topic: TopicDescription,
    list: readonly IdentifiedRecord[],
  ): Promise<IdentifiedReceipt> {
    const outgoing: OutgoingRecord[] = []
    const places: (IdentifiedPosition | { readonly at: number; readonly duplicate: boolean })[] = []
    const firsts = new Map<string, number>()
    const known = await this.#findAll(tx, topic, list)
    for (const { record, messageId } of list) {
      const first = messageId === undefined ? undefined : firsts.get(messageId)
      const before = messageId === undefined ? undefined : known.get(messageId)
      if (before !== undefined) {
        places.push(before)
        continue
      }
      places.push({ at: first ?? outgoing.length, duplicate: first !== undefined })
      if (first !== undefined) continue
      if (messageId === undefined) {
        outgoing.push(record)
        continue
      }
      firsts.set(messageId, outgoing.length)
      this.#timer ??= setInterval(() => this.#background(), sweepInterval).unref()
      const partition = partitionOf(topic, record, messageId)
      const entry: Entry = { partition, offset: topic.endOffset, time: this.#log.now() }
      tx.putState(...placeOf(topic, messageId), Buffer.from(JSON.stringify(entry)))
      outgoing.push({ ...record, partition })
    }
    const receipt = outgoing.length === 0 ? undefined : tx.append(topic.name, outgoing)
    tx.onCommit(() => {
      for (const [messageId, at] of firsts) this.#recent.set(recentKey(topic, messageId), receipt!.positions[at]!)
    })
    return {
      get positions() {
        const appended = receipt?.positions
        return places.map(place => {
          if (!('at' in place)) return place
          const position = appended![place.at]!
          return place.duplicate ? { ...position, duplicate: true as const } : position
        })
      },
    }
  }

  /** Forgets all ids whose messages are gone. */
  async sweepAll(): Promise<void> {
    for (let slice = 0; slice < slices; slice++) await this.#sweep(slice)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#sweeping
  }

  #background(): void {
    const slice = this.#nextSlice
    this.#nextSlice = (slice + 1) % slices
    this.#sweeping = this.#sweeping
      .then(() => this.#sweep(slice))
      .catch((error: unknown) => {
        if (isLogGone(error)) clearInterval(this.#timer)
        else process.emitWarning(`message ids are not forgotten: ${String(error)}`, { code: 'AEGIS_MESSAGE_IDS' })
      })
  }

  async #sweep(slice: number): Promise<void> {
    const space = spaceOf(slice)
    const topics = new Map((await this.#log.listTopics()).map(topic => [topic.incarnation, topic]))
    const gone: Uint8Array[] = []
    for await (const [key, value] of this.#log.scanState(space)) {
      const topic = topics.get(incarnationOf(key))
      if (topic === undefined || (await this.#isGone(topic, readEntry(value)))) gone.push(key)
    }
    for (let at = 0; at < gone.length; at += 500) {
      await this.#log.transaction(async tx => {
        for (const key of gone.slice(at, at + 500)) {
          // Published again meanwhile it is another message's.
          const value = await tx.getState(space, key)
          const topic = topics.get(incarnationOf(key))
          if (value === undefined) continue
          if (topic === undefined || (await this.#isGone(topic, readEntry(value)))) tx.deleteState(space, key)
        }
      })
    }
  }

  async #findAll(
    tx: Transaction,
    topic: TopicDescription,
    list: readonly IdentifiedRecord[],
  ): Promise<ReadonlyMap<string, IdentifiedPosition>> {
    const ids = new Set(list.flatMap(({ messageId }) => messageId ?? []))
    const found = new Map<string, IdentifiedPosition>()
    const find = async (messageId: string): Promise<void> => {
      const position = await this.#find(tx, topic, messageId)
      if (position !== undefined) found.set(messageId, position)
    }
    await Promise.all([...ids].map(find))
    return found
  }

  async #find(tx: Transaction, topic: TopicDescription, messageId: string): Promise<IdentifiedPosition | undefined> {
    const stored = await tx.getState(...placeOf(topic, messageId))
    if (stored === undefined) return undefined
    const entry = readEntry(stored)
    const { partition, offset, time } = entry
    const recent = this.#recent.get(recentKey(topic, messageId))
    if (recent !== undefined && recent.offset >= (await this.#log.startOffset(topic.name, partition))) {
      return { ...recent, duplicate: true }
    }
    // Not beyond what is there now: others may go on appending for ever.
    const end = await this.#log.endOffset(topic.name)
    for (let from = offset; from < end; ) {
      const { records, nextOffset } = await this.#log.read(topic.name, partition, { from, maxBytes: pageBytes })
      const found = records.find(record => headerOf(record, reserved.messageId) === messageId)
      if (found !== undefined) {
        return { topic: topic.name, partition, offset: found.offset, timestamp: found.timestamp, duplicate: true }
      }
      if (nextOffset <= from) break
      from = nextOffset
    }
    // Retention has taken the message: it is as new. Compaction has: a later one of its key is there, and must stay the last.
    return (await this.#isGone(topic, entry))
      ? undefined
      : { topic: topic.name, partition, offset, timestamp: time, duplicate: true }
  }

  async #isGone({ name }: TopicDescription, { partition, offset, time }: Entry): Promise<boolean> {
    try {
      const start = await this.#log.startOffset(name, partition)
      if (start <= offset) return false
      return (await this.#log.offsetForTime(name, partition, time + longestCommit)) <= start
    } catch (error) {
      if (AegisError.is(error, 'TOPIC_UNKNOWN')) return true
      throw error
    }
  }
}

const mostRecent = 10_000

/** The newest entries, and as many before them. */
class RecentPlaces {
  #newer = new Map<string, RecordPosition>()
  #older: ReadonlyMap<string, RecordPosition> = new Map()

  get(key: string): RecordPosition | undefined {
    return this.#newer.get(key) ?? this.#older.get(key)
  }

  set(key: string, position: RecordPosition): void {
    this.#newer.set(key, position)
    if (this.#newer.size < mostRecent) return
    this.#older = this.#newer
    this.#newer = new Map()
  }
}

const recentKey = ({ incarnation }: TopicDescription, messageId: string): string => `${incarnation}/${messageId}`
const readEntry = (value: Uint8Array): Entry => JSON.parse(Buffer.from(value).toString())

/** With a key that of the key; without one that of the id, so that all who publish it mean the same. */
function partitionOf({ partitions }: TopicDescription, { partition, key }: OutgoingRecord, messageId: string): number {
  if (partition !== undefined) return partition
  return partitionForKey(Buffer.from(key ?? messageId), partitions)
}

function placeOf({ incarnation }: TopicDescription, messageId: string): [space: string, key: Uint8Array] {
  const key = Buffer.from(`${incarnation}/${messageId}`)
  return [spaceOf(partitionForKey(key, slices)), key]
}

function incarnationOf(key: Uint8Array): string {
  const text = Buffer.from(key).toString()
  return text.slice(0, text.indexOf('/'))
}
