import { randomUUID } from 'node:crypto'
import {
  type ExpectedVersion,
  type Follower,
  type KeyedRecord,
  type Log,
  type LogReader,
  type LogRecord,
  type OpenLogOptions,
  openLog,
  type Transaction,
} from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { EventInput, StoredEvent } from './event.ts'

export interface AppendEventsOptions {
  /** Default `'any'`. */
  expectedVersion?: ExpectedVersion
  /** Kept in the metadata of the events. */
  correlationId?: string
  /** Kept in the metadata of the events. */
  causationId?: string
}

export interface SubscribeEventsOptions {
  /** Default `'earliest'`; `position` is the first one wanted. */
  from?: 'earliest' | 'latest' | { position: number }
  signal?: AbortSignal
}

/** Stored events, then live ones; leaving the loop closes it. */
export interface EventSubscription extends AsyncIterable<StoredEvent> {
  close(): void
}

/** The event store inside a transaction. */
export interface EventTransaction {
  append(
    streamId: string,
    events: EventInput | readonly EventInput[],
    options?: AppendEventsOptions,
  ): Promise<{ version: number }>
  load(streamId: string, options?: { from?: number; limit?: number }): Promise<StoredEvent[]>
}

const topic = '$events'
const invalid = (message: string, cause?: unknown): AegisError => new AegisError('EVENT_INVALID', message, { cause })

function streamKey(streamId: string): Uint8Array {
  if (typeof streamId !== 'string' || streamId === '' || streamId.includes('*') || !streamId.isWellFormed()) {
    throw invalid(`stream id ${JSON.stringify(streamId)}: give well-formed text that is not empty and has no *`)
  }
  return Buffer.from(streamId, 'utf8')
}

function encode(event: EventInput, version: number, { correlationId, causationId }: AppendEventsOptions): Uint8Array {
  if (globalThis.Event !== undefined && event instanceof globalThis.Event) {
    throw invalid("this is the DOM Event: add import { Event } from '@aegis/eventstore'")
  }
  if (typeof event?.type !== 'string' || event.type === '') throw invalid('an event needs a type that is not empty')
  const metadata = {
    ...event.metadata,
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(causationId === undefined ? {} : { causationId }),
  }
  try {
    if (JSON.stringify(event.data) === undefined) throw new TypeError('data is not a JSON value')
    return Buffer.from(JSON.stringify({ id: randomUUID(), type: event.type, version, data: event.data, metadata }))
  } catch (error) {
    throw invalid(`data and metadata of event ${event.type} must be JSON values: ${String(error)}`, error)
  }
}

function decode(record: LogRecord | KeyedRecord): StoredEvent {
  const { id, type, version, data, metadata } = JSON.parse(Buffer.from(record.value!).toString('utf8'))
  const streamId = Buffer.from(record.key!).toString('utf8')
  return { id, type, streamId, version, position: record.offset, timestamp: record.timestamp, data, metadata }
}

async function loadFrom(
  reader: LogReader,
  streamId: string,
  options: { from?: number; limit?: number } = {},
): Promise<StoredEvent[]> {
  return (await reader.history(topic, streamKey(streamId), options)).map(decode)
}

async function appendTo(
  tx: Transaction,
  streamId: string,
  events: EventInput | readonly EventInput[],
  options: AppendEventsOptions,
) {
  const key = streamKey(streamId)
  const list: readonly EventInput[] = Array.isArray(events) ? events : [events as EventInput]
  const expected = options.expectedVersion ?? 'any'
  if (
    typeof expected === 'number'
      ? !Number.isSafeInteger(expected) || expected < 0
      : !['any', 'no-stream', 'stream-exists'].includes(expected)
  ) {
    throw invalid(`expectedVersion ${String(expected)}: give 'any', 'no-stream', 'stream-exists' or a version from 0`)
  }
  const last = (await tx.get(topic, key))?.version
  const actual = last ?? 'no-stream'
  if (expected !== 'any' && (expected === 'stream-exists' ? last === undefined : actual !== expected)) {
    throw new AegisError(
      'VERSION_CONFLICT',
      `stream ${streamId} is at ${actual}, expected ${expected}: load it again and decide anew`,
      {
        details: { streamId, expected, actual },
      },
    )
  }
  const first = (last ?? -1) + 1
  if (list.length > 0)
    tx.append(
      topic,
      list.map((event, i) => ({ key, value: encode(event, first + i, options) })),
    )
  return { version: first + list.length - 1 }
}

/** Streams of events in a log. */
export class EventStore {
  readonly #log: Log
  #owned = false
  #ready: Promise<unknown> | undefined
  readonly #followers = new Set<Follower>()

  /** Uses the log and never closes it. */
  constructor(log: Log) {
    this.#log = log
  }

  /** Opens a log and owns it. */
  static async open(options: OpenLogOptions): Promise<EventStore> {
    const store = new EventStore(await openLog(options))
    store.#owned = true
    return store
  }

  /**
   * Appends events in one commit; `version` is that of the stream's last event, -1 for none.
   * @throws AegisError `VERSION_CONFLICT`, `EVENT_INVALID`
   */
  async append(
    streamId: string,
    events: EventInput | readonly EventInput[],
    options: AppendEventsOptions = {},
  ): Promise<{ version: number }> {
    await this.#prepare()
    return this.#log.transaction(tx => appendTo(tx, streamId, events, options), { retries: 100 })
  }

  /** The events of a stream in order; none when it does not exist. */
  async load(streamId: string, options: { from?: number; limit?: number } = {}): Promise<StoredEvent[]> {
    await this.#prepare()
    return loadFrom(this.#log, streamId, options)
  }

  /** Events of a stream, or of all whose id starts with what is before the `*` at the end. The start is fixed when it resolves. */
  async subscribe(
    streams: string,
    { from = 'earliest', signal }: SubscribeEventsOptions = {},
  ): Promise<EventSubscription> {
    const prefix = streams.endsWith('*') ? streams.slice(0, -1) : undefined
    if (prefix !== '') streamKey(prefix ?? streams)
    const start = from === 'earliest' ? 0 : from === 'latest' ? undefined : from.position
    if (start !== undefined && !(Number.isSafeInteger(start) && start >= 0))
      throw invalid(`from ${JSON.stringify(from)}: give 'earliest', 'latest' or { position }`)
    await this.#prepare()
    const positions = new Map([[0, start ?? this.#log.endOffset(topic)]])
    const follower = this.#log.follow(topic, signal === undefined ? { positions } : { positions, signal })
    const followers = this.#followers.add(follower)
    const close = () => {
      followers.delete(follower)
      follower.close()
    }
    async function* events() {
      try {
        for (let page = await follower.next(); page !== undefined; page = await follower.next()) {
          for (const record of page.records) {
            const event = decode(record)
            if (prefix === undefined ? event.streamId === streams : event.streamId.startsWith(prefix)) yield event
          }
        }
      } finally {
        close()
      }
    }
    const iterator = events()
    return { close, [Symbol.asyncIterator]: () => iterator }
  }

  /** The store inside a transaction of the log. */
  async within(tx: Transaction): Promise<EventTransaction> {
    await this.#prepare()
    return {
      append: (streamId, events, options = {}) => appendTo(tx, streamId, events, options),
      load: (streamId, options) => loadFrom(tx, streamId, options),
    }
  }

  /** Ends subscriptions, and closes the log if it was opened here. */
  async close(): Promise<void> {
    for (const follower of this.#followers) follower.close()
    if (this.#owned) await this.#log.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #prepare(): Promise<unknown> {
    this.#ready ??= this.#log.createTopic(topic, { keyed: 'history' }).catch(error => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }
}
