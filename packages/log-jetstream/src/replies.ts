import {
  createInbox,
  errors,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type PermissionViolationError,
  type Subscription,
} from '@nats-io/nats-core'

interface Waiting {
  readonly subject: string
  readonly deadline: number
  readonly resolve: (answer: Msg) => void
  readonly reject: (error: unknown) => void
}

/** An answer that takes longer, in milliseconds, was lost. */
const longest = 4_000

/**
 * Answers to what is written, each on a subject of its own. The client's `request` is the same for twice the price: it starts
 * a timer for each, and makes an error with its stack although nothing has failed (docs/benchmarks.md).
 */
export class Replies {
  readonly #connection: NatsConnection
  readonly #inbox = createInbox()
  /** By the last token of the subject, in the order of their deadlines. */
  readonly #waiting = new Map<string, Waiting>()
  #subscription: Subscription | undefined
  #timer: NodeJS.Timeout | undefined
  #count = 0

  constructor(connection: NatsConnection) {
    this.#connection = connection
  }

  /** Resolves with the answer. Fails with what the client's `request` fails with. */
  ask(subject: string, data: Uint8Array, headers: MsgHdrs): Promise<Msg> {
    return new Promise((resolve, reject) => {
      this.#listen()
      const token = String(++this.#count)
      this.#connection.publish(subject, data, { headers, reply: `${this.#inbox}.${token}` })
      this.#waiting.set(token, { subject, deadline: performance.now() + longest, resolve, reject })
      this.#timer ??= this.#alarm(longest)
    })
  }

  /** Nothing that is waited for comes any more. */
  fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  /** The server does not allow something: a request, or listening for answers. */
  refuse(error: PermissionViolationError): void {
    if (error.subject.startsWith(this.#inbox)) {
      this.fail(error)
      return
    }
    for (const [token, { subject, reject }] of this.#waiting) {
      if (subject !== error.subject) continue
      this.#waiting.delete(token)
      reject(error)
    }
  }

  #listen(): void {
    if (this.#subscription !== undefined && !this.#subscription.isClosed()) return
    const subscription = this.#connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, answer) => {
        if (error === null) this.#receive(answer)
      },
    })
    this.#subscription = subscription
    void subscription.closed.then(() => this.fail(new errors.ClosedConnectionError()))
  }

  #receive(answer: Msg): void {
    const token = answer.subject.slice(this.#inbox.length + 1)
    const waiting = this.#waiting.get(token)
    if (waiting === undefined) return
    this.#waiting.delete(token)
    const nobody = answer.data.length === 0 && answer.headers?.code === 503
    if (nobody) waiting.reject(new errors.NoRespondersError(waiting.subject))
    else waiting.resolve(answer)
  }

  /** One timer for all: they wait equally long, so the first is the first to give up. */
  #alarm(milliseconds: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      const now = performance.now()
      for (const [token, { deadline, reject }] of this.#waiting) {
        if (deadline > now) break
        this.#waiting.delete(token)
        reject(new errors.TimeoutError())
      }
      const [next] = this.#waiting.values()
      this.#timer = next === undefined ? undefined : this.#alarm(next.deadline - now)
    }, milliseconds)
    // The connection keeps the process alive for as long as it is open.
    return timer.unref()
  }
}
