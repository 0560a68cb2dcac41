import { setTimeout as pause } from 'node:timers/promises'
import { AckPolicy, type ConsumerConfig, DeliverPolicy } from '@nats-io/jetstream'
import { createInbox, type Msg, nanos, type Subscription } from '@nats-io/nats-core'
import type { Domain } from './domain.ts'
import { isPassing, translated } from './patience.ts'
import { type Pulled, pulled } from './pulled.ts'

/** Where a feed begins. */
export type FeedStart = { readonly sequence: number; readonly headersOnly?: boolean } | 'last-of-each-subject'

const batch = 512
/** A server says that it lives so often, in milliseconds; twice without a word and the consumer is made anew. */
const heartbeat = 2_000
const expires = 30_000
const inactiveThreshold = 60_000

/**
 * The messages on a subject, live and without gap or repeat: a consumer of the stream that is made anew behind the last
 * message whenever anything is lost. Holds at most what one request may bring: more is asked for when it is taken.
 */
export class Feed {
  readonly #domain: Domain
  readonly #stream: string
  readonly #filter: string
  readonly #arrived: () => void
  readonly #ended: () => void
  readonly #headersOnly: boolean
  #start: FeedStart
  #queue: Pulled[] = []
  #taken = 0
  #consumer: string | undefined
  #subscription: Subscription | undefined
  #delivery = 0
  #asked = 0
  #watch: NodeJS.Timeout | undefined
  #opening = false
  #closed = false
  #failure: { readonly error: unknown } | undefined

  /** `arrived` is called when there is something to take, and when it failed. */
  constructor(domain: Domain, filter: string, start: FeedStart, arrived: () => void, stream = domain.stream) {
    this.#domain = domain
    this.#stream = stream
    this.#filter = filter
    this.#start = start
    this.#headersOnly = typeof start === 'object' && start.headersOnly === true
    this.#arrived = arrived
    this.#ended = domain.onReconnect(() => void this.#open())
    void this.#open()
  }

  /** The next message, if it is here. @throws what made the feed fail for good */
  take(): Pulled | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    const message = this.#queue[this.#taken]
    if (message === undefined) return undefined
    this.#taken++
    if (this.#taken === this.#queue.length) {
      this.#queue = []
      this.#taken = 0
      this.#ask()
    }
    return message
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#ended()
    this.#drop()
  }

  /** Forgets the consumer; the server does it by itself if it cannot be told. */
  #drop(): void {
    clearTimeout(this.#watch)
    this.#subscription?.unsubscribe()
    this.#subscription = undefined
    const consumer = this.#consumer
    this.#consumer = undefined
    this.#asked = 0
    const { connection, manager } = this.#domain
    if (consumer !== undefined && !connection.isClosed()) {
      manager.consumers.delete(this.#stream, consumer).catch(() => undefined)
    }
  }

  async #open(): Promise<void> {
    if (this.#opening || this.#closed) return
    this.#opening = true
    this.#drop()
    const began = performance.now()
    for (let wait = 20; !this.#closed; wait = Math.min(2 * wait, 1_000)) {
      try {
        const { name } = await this.#domain.manager.consumers.add(this.#stream, this.#configuration())
        this.#consumer = name
        break
      } catch (error) {
        if (this.#closed) break
        if (!isPassing(error)) {
          this.#failure = { error: translated(error, `following ${this.#filter}`) }
          this.#arrived()
          break
        }
      }
      this.#domain.patience.stillWaiting(began)
      await pause(wait)
    }
    this.#opening = false
    if (this.#closed) this.#drop()
    else if (this.#failure === undefined) this.#listen()
  }

  #configuration(): Partial<ConsumerConfig> {
    const common = {
      ack_policy: AckPolicy.None,
      filter_subject: this.#filter,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: nanos(inactiveThreshold),
      ...(this.#headersOnly && { headers_only: true }),
    }
    if (this.#start === 'last-of-each-subject') return { ...common, deliver_policy: DeliverPolicy.LastPerSubject }
    const { sequence } = this.#start
    return { ...common, deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, sequence) }
  }

  #listen(): void {
    this.#delivery = 0
    const inbox = createInbox()
    this.#subscription = this.#domain.connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error === null) this.#receive(message)
        else void this.#open()
      },
    })
    this.#ask(inbox)
  }

  /** Asks for more when all that was asked for has come and been taken. */
  #ask(inbox = this.#subscription?.getSubject()): void {
    if (this.#closed || this.#asked > 0 || this.#queue.length > 0) return
    if (inbox === undefined || this.#consumer === undefined) return
    this.#asked = batch
    this.#alive()
    const { connection } = this.#domain
    const request = {
      batch,
      max_bytes: 2 * (connection.info?.max_payload ?? 1_048_576),
      expires: nanos(expires),
      idle_heartbeat: nanos(heartbeat),
    }
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${this.#stream}.${this.#consumer}`, JSON.stringify(request), {
      reply: inbox,
    })
  }

  #receive(message: Msg): void {
    this.#alive()
    if (message.data.length === 0 && message.headers !== undefined && message.headers.code !== 0) {
      this.#status(message.headers.code, message.headers.description)
      return
    }
    const next = pulled(message)
    if (next.delivery !== this.#delivery + 1) {
      void this.#open()
      return
    }
    this.#delivery = next.delivery
    this.#start = { sequence: next.sequence + 1 }
    this.#asked = Math.max(0, this.#asked - 1)
    if (this.#asked === 0) clearTimeout(this.#watch)
    this.#queue.push(next)
    this.#arrived()
  }

  #status(code: number, description: string): void {
    if (code === 100) return
    const finished = code === 404 || code === 408 || /batch completed|exceeded maxbytes/i.test(description)
    this.#asked = 0
    clearTimeout(this.#watch)
    if (finished) this.#ask()
    else void this.#open()
  }

  #alive(): void {
    clearTimeout(this.#watch)
    this.#watch = setTimeout(() => void this.#open(), 3 * heartbeat)
  }
}
