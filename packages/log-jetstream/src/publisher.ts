import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { AegisError } from '@aegis/storage'
import { type MsgHdrs, headers as newHeaders } from '@nats-io/nats-core'
import type { Domain } from './domain.ts'
import { lastMessage, nextMessage } from './messages.ts'
import { isPassing, translated, unreachable } from './patience.ts'

export interface OutgoingMessage {
  readonly subject: string
  readonly data: Uint8Array
  /** The sequence of the last message on the subject, or on `expectedOn`; 0 for none. Left out: whatever it is. */
  readonly expected?: number
  /** Another subject, or several by wildcards, for `expected`. */
  readonly expectedOn?: string
  /** The stream keeps only this one of its subject; alone, not in a batch. */
  readonly rollup?: boolean
  /** Seconds after which it goes. */
  readonly timeToLive?: number
}

/** The last message of a subject was not the expected one: nothing was written. */
export class SequenceConflict extends Error {
  override readonly name = 'SequenceConflict'
}

interface Acknowledgement {
  readonly seq: number
  readonly error?: { readonly code: number; readonly err_code: number; readonly description: string }
}

/** A message of a transaction's mark is there for so long at least, in seconds: longer than anybody looks for it. */
const markSeconds = 300
/** What the servers allow for a batch. */
export const largestBatch = 1_000

/** Of a batch a part was lost on the way; or the same message is being stored. */
const toBeRepeated = new Set([10176, 10158])
const wrongSequence = new Set([10071, 10164])

/** Writes messages so that each is stored once, whatever happens to connections and servers on the way. */
export class Publisher {
  readonly #domain: Domain
  readonly #writer = randomBytes(9).toString('base64url')
  #count = 0

  constructor(domain: Domain) {
    this.#domain = domain
  }

  /**
   * Resolves with the sequence.
   * @throws SequenceConflict
   * @throws AegisError `CLUSTER_UNREACHABLE`, `CLUSTER_REFUSED`
   */
  async publish(message: OutgoingMessage): Promise<number> {
    const id = `${this.#writer}-${++this.#count}`
    const headers = headersOf(message)
    headers.set('Nats-Msg-Id', id)
    return this.#until(`writing to ${message.subject}`, async attempt => {
      const { seq, error } = await this.#send(message, headers)
      if (error === undefined) return seq
      if (!wrongSequence.has(error.err_code)) throw refused(`writing to ${message.subject}`, error)
      // The stream looks at the expected sequence before it looks for a repeat: an attempt before this one may have come
      // through. Only one message can have come first after the expected one.
      if (attempt > 0 && message.expected !== undefined && message.expectedOn === undefined) {
        const first = await nextMessage(this.#domain, message.subject, message.expected + 1)
        if (first?.id === id) return first.sequence
      }
      throw new SequenceConflict()
    })
  }

  /**
   * Writes all messages or none; they get sequences one after the other. Resolves with the first of them.
   * @throws SequenceConflict
   * @throws AegisError `CLUSTER_UNREACHABLE`, `CLUSTER_REFUSED`
   */
  async publishAll(messages: readonly OutgoingMessage[]): Promise<number> {
    return this.#until('writing a transaction', async () => {
      const id = `${this.#writer}-${++this.#count}`
      // Whoever writes the mark first decides: the transaction, or we, when we gave up on it.
      const mark: OutgoingMessage = {
        subject: this.#domain.subjects.commit(id),
        data: Buffer.from('committed'),
        expected: 0,
        timeToLive: markSeconds,
      }
      const sequence = await this.#sendBatch(id, [...messages, mark])
      return sequence - messages.length
    })
  }

  async #sendBatch(id: string, batch: readonly OutgoingMessage[]): Promise<number> {
    const { connection } = this.#domain
    const began = performance.now()
    try {
      const last = batch.length - 1
      for (let at = 0; at < last; at++) {
        const message = batch[at]!
        connection.publish(message.subject, message.data, { headers: batchHeaders(message, id, at + 1) })
      }
      const headers = batchHeaders(batch[last]!, id, last + 1)
      headers.set('Nats-Batch-Commit', '1')
      const { seq, error } = await this.#send(batch[last]!, headers)
      if (error === undefined) return seq
      if (wrongSequence.has(error.err_code)) throw new SequenceConflict()
      throw refused('writing a transaction', error)
    } catch (error) {
      if (!isPassing(error)) throw error
      const found = await this.#outcome(id, began)
      if (found === undefined) throw error
      return found
    }
  }

  /** Whether a transaction without answer is in the stream. If it is not, it never will be. */
  async #outcome(id: string, began: number): Promise<number | undefined> {
    const subject = this.#domain.subjects.commit(id)
    for (let wait = 20; ; wait = Math.min(2 * wait, 1_000)) {
      const seconds = (performance.now() - began) / 1000
      if (seconds > Math.min(markSeconds / 2, (3 * this.#domain.patience.milliseconds) / 1000)) {
        throw unreachable('asking what became of a transaction', Math.round(seconds * 1000), undefined)
      }
      const mark = await lastMessage(this.#domain, subject)
      if (mark !== undefined) return Buffer.from(mark.data).toString() === 'committed' ? mark.sequence : undefined
      const abandoned = { subject, data: Buffer.from('abandoned'), expected: 0, timeToLive: markSeconds }
      try {
        const { error } = await this.#send(abandoned, headersOf(abandoned))
        if (error !== undefined && !wrongSequence.has(error.err_code)) throw refused('abandoning a transaction', error)
      } catch (error) {
        if (!isPassing(error)) throw error
      }
      await pause(wait)
    }
  }

  async #send({ subject, data }: OutgoingMessage, headers: MsgHdrs): Promise<Acknowledgement> {
    const answer = (await this.#domain.replies.ask(subject, data, headers)).json<Acknowledgement>()
    // The server has no leader at the moment; or nothing is stored yet, and nothing stands against it.
    const { error } = answer
    if (error !== undefined && (error.code === 503 || toBeRepeated.has(error.err_code)))
      throw new Unavailable(error.description)
    return answer
  }

  async #until<T>(what: string, attempt: (number: number) => Promise<T>): Promise<T> {
    const { patience } = this.#domain
    const { milliseconds } = patience
    const began = performance.now()
    const deadline = began + milliseconds
    for (let number = 0, wait = 20; ; number++, wait = Math.min(2 * wait, 1_000)) {
      try {
        return await attempt(number)
      } catch (error) {
        if (error instanceof SequenceConflict || !isPassing(error)) throw translated(error, what)
        if (performance.now() + wait > deadline) throw unreachable(what, milliseconds, error)
      }
      patience.stillWaiting(began)
      await pause(wait)
    }
  }
}

class Unavailable extends Error {
  override readonly name = 'ConnectionError'
}

const refused = (what: string, { description, err_code }: NonNullable<Acknowledgement['error']>): AegisError =>
  new AegisError('CLUSTER_REFUSED', `${what}: the server says: ${description}`, { details: { errorCode: err_code } })

function headersOf({ expected, expectedOn, rollup, timeToLive }: OutgoingMessage): MsgHdrs {
  const headers = newHeaders()
  if (expected !== undefined) headers.set('Nats-Expected-Last-Subject-Sequence', String(expected))
  if (expectedOn !== undefined) headers.set('Nats-Expected-Last-Subject-Sequence-Subject', expectedOn)
  if (rollup === true) headers.set('Nats-Rollup', 'sub')
  if (timeToLive !== undefined) headers.set('Nats-TTL', `${timeToLive}s`)
  return headers
}

function batchHeaders(message: OutgoingMessage, id: string, sequence: number): MsgHdrs {
  const headers = headersOf(message)
  headers.set('Nats-Batch-Id', id)
  headers.set('Nats-Batch-Sequence', String(sequence))
  return headers
}
