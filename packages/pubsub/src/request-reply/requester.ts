import { randomUUID } from 'node:crypto'
import { type Follower, type Log, type LogRecord, parseDuration, type Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { addressOf, decodeReply, type ReplyAddress, replyRetention, replyTopic } from './reply.ts'

interface Waiting {
  resolve(reply: Untyped): void
  reject(error: unknown): void
  readonly topic: string
}

export interface RequestOptions<S extends StandardSchemaV1 = StandardSchemaV1<Untyped>> {
  /** How long to wait for the reply, in milliseconds or `'5s'`; later the request is not handled any more. Default `'10s'`. */
  readonly timeout?: number | string
  /** Of the payload of the reply, which is validated and typed by it. */
  readonly reply?: S
  /** Ends waiting. */
  readonly signal?: AbortSignal
}

const longestTimeout = 2 ** 31 - 1

/** In milliseconds. @throws AegisError `PUBSUB_INVALID` */
export function checkedTimeout(timeout: number | string): number {
  try {
    const milliseconds = parseDuration('timeout', timeout)
    if (milliseconds > 0 && milliseconds <= longestTimeout) return milliseconds
  } catch {
    // It is told below, as the option that it is.
  }
  throw new AegisError(
    'PUBSUB_INVALID',
    `timeout of a request is ${JSON.stringify(timeout)}: give 1 to ${longestTimeout} milliseconds, or a text such as '5s'`,
  )
}

/** Requests that wait for their replies: however many there are, one reader takes them all. */
export class Requester {
  readonly #log: Log
  readonly #id = randomUUID()
  readonly #waiting = new Map<string, Waiting>()
  #count = 0
  #follower: Promise<Follower> | undefined
  #reading: Promise<void> | undefined
  #closed = false

  constructor(log: Log) {
    this.#log = log
  }

  /**
   * Sends a request by `publish`, and resolves with the payload of its reply.
   * @throws AegisError `REQUEST_TIMEOUT`, `REQUEST_FAILED`, `PUBSUB_CLOSED`, and the reason of the signal
   */
  async request(
    topic: string,
    publish: (address: ReplyAddress) => Promise<unknown>,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<Untyped> {
    signal?.throwIfAborted()
    await this.#listen()
    signal?.throwIfAborted()
    const request = String(++this.#count)
    let timer: NodeJS.Timeout | undefined
    let abort: (() => void) | undefined
    try {
      return await new Promise<Untyped>((resolve, reject) => {
        this.#waiting.set(request, { topic, resolve, reject })
        abort = () => reject(signal?.reason)
        signal?.addEventListener('abort', abort, { once: true })
        timer = setTimeout(() => reject(late(topic, timeout)), timeout)
        publish({ requester: this.#id, request }).catch(reject)
      })
    } finally {
      clearTimeout(timer)
      if (abort !== undefined) signal?.removeEventListener('abort', abort)
      // A reply that comes later finds nobody, and is dropped.
      this.#waiting.delete(request)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#failAll(closed())
    const follower = await this.#follower?.catch(() => undefined)
    follower?.close()
    await this.#reading
  }

  async #listen(): Promise<void> {
    if (this.#closed) throw closed()
    this.#follower ??= this.#follow()
    try {
      await this.#follower
    } catch (error) {
      this.#follower = undefined
      throw error
    }
  }

  async #follow(): Promise<Follower> {
    await this.#log.createTopic(replyTopic, { retention: replyRetention })
    const follower = this.#log.follow(replyTopic, { positions: new Map([[0, await this.#log.endOffset(replyTopic)]]) })
    this.#reading = this.#read(follower)
    return follower
  }

  /** Never rejects: who waits hears of it. */
  async #read(follower: Follower): Promise<void> {
    try {
      for (let page = await follower.next(); page !== undefined; page = await follower.next()) {
        for (const record of page.records) this.#take(record)
      }
      this.#failAll(closed())
    } catch (error) {
      this.#failAll(error)
    }
    // The next request begins anew, and hears what is wrong.
    this.#follower = undefined
  }

  #take(record: LogRecord): void {
    const address = addressOf(record)
    if (address?.requester !== this.#id) return
    const waiting = this.#waiting.get(address.request)
    if (waiting === undefined) return
    try {
      waiting.resolve(decodeReply(waiting.topic, record))
    } catch (error) {
      waiting.reject(error)
    }
  }

  #failAll(error: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(error)
  }
}

const closed = (): AegisError => new AegisError('PUBSUB_CLOSED', 'closed while a request waits for its reply')

const late = (topic: string, timeout: number): AegisError =>
  new AegisError(
    'REQUEST_TIMEOUT',
    `no reply from ${topic} within ${timeout} ms: nobody responds there, or it takes longer than the timeout`,
    { details: { topic, timeout } },
  )
