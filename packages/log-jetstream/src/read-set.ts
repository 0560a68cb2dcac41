import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import { inParallel } from './in-parallel.ts'
import { startsWith } from './keyed-reads.ts'
import { lastMessage, messagesFrom } from './messages.ts'
import type { OutgoingMessage } from './publisher.ts'
import type { StoredMessage } from './stored-message.ts'

interface Range {
  readonly prefix: Uint8Array
  readonly keyOf: (message: StoredMessage) => Uint8Array | null
}

/** What was read of a subject, or of several by a wildcard. */
interface Read {
  /** Of the last message that was seen; 0 for none. */
  sequence: number
  /** What of a wildcard's messages was of interest. */
  readonly ranges: readonly Range[]
}

export const conflict = (): AegisError =>
  new AegisError(
    'TRANSACTION_CONFLICT',
    'something that the transaction has read was changed before it could commit: run it again',
  )

/** What a transaction has read, with the sequences that must still be so when it commits. */
export class ReadSet {
  readonly #domain: Domain
  /** By subject, or by a wildcard for several. */
  readonly #reads = new Map<string, Read>()
  readonly #fresh: boolean
  #remembered = false
  #reading = 0

  /** `fresh`: everything is asked of the stream's leader, and nothing taken from what this process remembers. */
  constructor(domain: Domain, fresh: boolean) {
    this.#domain = domain
    this.#fresh = fresh
  }

  /** Whether something was read from what this process remembers: it may have been old already. */
  get remembered(): boolean {
    return this.#remembered
  }

  get size(): number {
    return this.#reads.size
  }

  /** Whether a read is on its way. */
  get busy(): boolean {
    return this.#reading > 0
  }

  /** Of the last message on a subject that was read. */
  sequenceOf(subject: string): number | undefined {
    return this.#reads.get(subject)?.sequence
  }

  /** Whether nothing that was read has changed. What was read in several steps is only known to belong together if so. */
  async hold(): Promise<boolean> {
    const holding = await inParallel(this.#reads, ([subject, read]) => this.#holds(subject, read))
    return !holding.includes(false)
  }

  /** Messages on a subject of their own that are stored only if everything that was read, but for `others`, is as it was. */
  checks(on: (number: number) => string, others: ReadonlySet<string>): OutgoingMessage[] {
    const unchecked = [...this.#reads].filter(([subject]) => !others.has(subject))
    return unchecked.map(([subject, { sequence }], at) => ({
      subject: on(at),
      data: new Uint8Array(),
      expected: sequence,
      expectedOn: subject,
      timeToLive: 1,
    }))
  }

  async during<T>(read: () => Promise<T>): Promise<T> {
    this.#reading++
    try {
      return await read()
    } finally {
      this.#reading--
    }
  }

  /** The last message on a subject. */
  async last(subject: string): Promise<StoredMessage | undefined> {
    const remembered = this.#fresh ? undefined : this.#domain.recent.find(subject)
    if (remembered !== undefined) this.#remembered = true
    const message = remembered === undefined ? await this.during(() => this.#ask(subject)) : remembered.message
    this.#saw(subject, message?.sequence ?? 0)
    return message
  }

  #saw(subject: string, sequence: number): void {
    const before = this.#reads.get(subject)
    if (before !== undefined && before.sequence !== sequence) throw conflict()
    if (before === undefined) this.#reads.set(subject, { sequence, ranges: [] })
  }

  /** Remembers that all of a prefix was read of what fits a wildcard. */
  async sawAll(filter: string, prefix: Uint8Array, keyOf: Range['keyOf']): Promise<void> {
    const before = this.#reads.get(filter)
    if (before !== undefined && !(await this.#holds(filter, before))) throw conflict()
    const sequence = before?.sequence ?? (await lastMessage(this.#domain, filter))?.sequence ?? 0
    this.#reads.set(filter, { sequence, ranges: [...(before?.ranges ?? []), { prefix, keyOf }] })
  }

  /** The leader; what it says is remembered. */
  async #ask(subject: string): Promise<StoredMessage | undefined> {
    const message = await lastMessage(this.#domain, subject)
    this.#domain.recent.forget(subject)
    this.#domain.recent.saw(subject, message)
    return message
  }

  async #holds(subject: string, read: Read): Promise<boolean> {
    if (read.ranges.length === 0) return ((await this.#ask(subject))?.sequence ?? 0) === read.sequence
    const sequence = (await lastMessage(this.#domain, subject))?.sequence ?? 0
    if (sequence === read.sequence) return true
    if (sequence < read.sequence) return false
    // Something was written that fits the wildcard: of what was read, or beside it?
    for await (const message of messagesFrom(this.#domain, subject, read.sequence + 1)) {
      if (read.ranges.some(({ prefix, keyOf }) => startsWith(keyOf(message), prefix))) return false
      read.sequence = message.sequence
    }
    return true
  }
}
