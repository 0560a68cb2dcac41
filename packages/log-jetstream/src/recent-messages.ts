import type { StoredMessage } from './stored-message.ts'

/** Bytes that may be remembered: subjects, data, and what an entry itself takes. */
const mostBytes = 16_000_000
const entryBytes = 300

/** What was last on a subject: a message, or nothing. */
interface Newest {
  readonly message: StoredMessage | undefined
}

/**
 * The last messages of subjects that this process has read or written lately: right unless another process has written
 * since. Who decides on them writes only if they are still the last, so that one that is not costs another try.
 */
export class RecentMessages {
  readonly #newest = new Map<string, Newest>()
  #bytes = 0

  find(subject: string): Newest | undefined {
    const newest = this.#newest.get(subject)
    if (newest === undefined) return undefined
    // The longest unused is forgotten first.
    this.#newest.delete(subject)
    this.#newest.set(subject, newest)
    const { message } = newest
    // A copy: what is read of it is the caller's, to change as well.
    return message === undefined ? newest : { message: { ...message, data: new Uint8Array(message.data) } }
  }

  /** What a read has found. A message that this process has written meanwhile is newer. */
  saw(subject: string, message: StoredMessage | undefined): void {
    const known = this.#newest.get(subject)?.message
    if (message !== undefined && known !== undefined && known.sequence > message.sequence) return
    this.#remember(subject, message)
  }

  wrote(subject: string, sequence: number, data: Uint8Array): void {
    this.saw(subject, { subject, sequence, data, time: Date.now(), id: undefined })
  }

  forget(subject: string): void {
    const newest = this.#newest.get(subject)
    if (newest === undefined) return
    this.#newest.delete(subject)
    this.#bytes -= sizeOf(subject, newest)
  }

  #remember(subject: string, message: StoredMessage | undefined): void {
    this.forget(subject)
    // Copied, or a small message would keep the memory of all that came, or were written, with it.
    const newest = { message: message && { ...message, data: new Uint8Array(message.data) } }
    this.#newest.set(subject, newest)
    this.#bytes += sizeOf(subject, newest)
    for (const [oldest, { message }] of this.#newest) {
      if (this.#bytes <= mostBytes) break
      this.#newest.delete(oldest)
      this.#bytes -= sizeOf(oldest, { message })
    }
  }
}

const sizeOf = (subject: string, { message }: Newest): number =>
  entryBytes + 2 * subject.length + (message?.data.length ?? 0)
