import { setTimeout } from 'node:timers/promises'
import { AegisError } from '@aegis/storage'
import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream'
import {
  AuthorizationError,
  ClosedConnectionError,
  DrainingConnectionError,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from '@nats-io/nats-core'

/** Errors of the server that say that it has no leader at the moment, or is starting. */
const passing = new Set([503, 10008, 10009, 10076, 10103, 10118])

/** There are too few servers for the stream's copies; or some of them have only just started, which the message says. */
const noPeers = 10005

/** The status that a direct read has ended with, instead of what it asks for; the client exports no type for it. */
export const readStatusOf = (error: unknown): unknown =>
  error instanceof JetStreamError && 'code' in error ? error.code : undefined

/** Whether the same request may get an answer a moment later. */
export function isPassing(error: unknown): boolean {
  if (AegisError.is(error) || isClosed(error)) return false
  if (error instanceof JetStreamApiError) {
    return error.status === 503 || passing.has(error.code) || (error.code === noPeers && /offline/.test(error.message))
  }
  // No server has the stream's messages at the moment.
  if (readStatusOf(error) === 503) return true
  if (error instanceof TimeoutError || error instanceof NoRespondersError || isConnectionLoss(error)) return true
  // The client wraps what a request has ended with.
  return error instanceof Error && error.cause !== undefined && isPassing(error.cause)
}

const isConnectionLoss = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'ConnectionError' || error.name === 'DisconnectError')

const isClosed = (error: unknown): boolean =>
  error instanceof ClosedConnectionError ||
  (error instanceof RequestError && error.message === 'connection closed') ||
  error instanceof DrainingConnectionError ||
  (error instanceof Error && error.cause !== undefined && isClosed(error.cause))

/** What an error of the client means to users. */
export function translated(error: unknown, what: string): unknown {
  if (AegisError.is(error)) return error
  if (isClosed(error)) return new AegisError('LOG_CLOSED', 'the log is closed: connect again', { cause: error })
  if (error instanceof AuthorizationError || error instanceof PermissionViolationError) {
    return new AegisError('CLUSTER_REFUSED', `${what}: ${error.message}: give the user the permission`, {
      cause: error,
    })
  }
  if (error instanceof JetStreamApiError) {
    return new AegisError('CLUSTER_REFUSED', `${what}: the server says: ${error.message}`, { cause: error })
  }
  return error
}

/** A request that waits for so many milliseconds may wait at the wrong server. */
const longestAtOneServer = 8_000

/** Asks again, after longer and longer pauses, until there is an answer or time is up. */
export class Patience {
  readonly milliseconds: number
  readonly #waiting = new Set<(error: unknown) => void>()
  #moved = performance.now()
  #move: () => void = () => undefined

  constructor(milliseconds: number) {
    this.milliseconds = milliseconds
  }

  /** `move` is called when requests get no answer where we are connected, and might at another server. */
  onStuck(move: () => void): void {
    this.#move = move
  }

  /**
   * To be called by those who ask again and again, with when they began. A server that is cut off from the others keeps its
   * clients, and can do nothing for them.
   */
  stillWaiting(began: number): void {
    const now = performance.now()
    const longest = Math.min(longestAtOneServer, this.milliseconds / 3)
    if (now - Math.max(began, this.#moved) < longest) return
    this.#moved = now
    this.#move()
  }

  /** A connection was lost and is there again: what was asked for on the old one gets no answer any more. */
  interrupt(): void {
    for (const reject of this.#waiting) reject(new Interrupted())
  }

  /** Rejects with a passing error when the connection is lost on the way. */
  #interruptible<T>(request: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      request.then(resolve, reject).finally(() => this.#waiting.delete(reject))
    })
  }

  /** @throws AegisError `CLUSTER_UNREACHABLE` when time is up, and what the request fails with for good */
  async request<T>(what: string, request: (timeout: number) => Promise<T>): Promise<T> {
    const began = performance.now()
    const deadline = began + this.milliseconds
    for (let pause = 20; ; pause = Math.min(2 * pause, 1_000)) {
      const left = deadline - performance.now()
      try {
        return await this.#interruptible(request(Math.max(50, Math.min(5_000, left))))
      } catch (error) {
        if (!isPassing(error)) throw translated(error, what)
        if (deadline - performance.now() <= pause) throw unreachable(what, this.milliseconds, error)
      }
      this.stillWaiting(began)
      await setTimeout(pause)
    }
  }
}

/** The connection was lost: what was asked for on it gets no answer. */
export class Interrupted extends Error {
  override readonly name = 'ConnectionError'
  override readonly message = 'the connection was lost'
}

export const unreachable = (what: string, milliseconds: number, cause: unknown): AegisError =>
  new AegisError('CLUSTER_UNREACHABLE', `${what}: no answer from the cluster in ${milliseconds} ms`, {
    cause,
    details: { outcome: 'unknown' },
  })
