import { AegisError } from '@aegis/storage'
import type { Change } from './append-plan.ts'
import type { Domain } from './domain.ts'
import { keySubject } from './keyed-reads.ts'
import type { Append } from './optimistic-commit.ts'
import type { Topic } from './topic.ts'

const mostBytes = 16_000_000

export const tooLarge = (what: string): AegisError =>
  new AegisError('TRANSACTION_TOO_LARGE', `the transaction writes ${what}: make several of it`)

/** What a transaction has done to a key of a topic, in order. */
interface OwnChanges {
  readonly topic: Topic
  readonly key: Uint8Array
  readonly changes: Change[]
}

/** What a transaction has written to a private key; `undefined`: it is deleted. */
interface OwnEntry {
  readonly space: string
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

/** What a transaction is to write to topics and private keys, so that it can read it itself. */
export class OwnWrites {
  readonly appends: Append[] = []
  /** By subject. */
  readonly keys = new Map<string, OwnChanges>()
  /** By subject. */
  readonly state = new Map<string, OwnEntry>()
  readonly #domain: Domain
  #bytes = 0

  constructor(domain: Domain) {
    this.#domain = domain
  }

  /** @throws AegisError `TRANSACTION_TOO_LARGE` */
  append(append: Append, bytes: number): void {
    this.#grow(bytes)
    this.appends.push(append)
    const { topic, changes } = append
    if (topic.config.keyed === 'none') return
    for (const change of changes) {
      const key = change.key!
      const subject = this.#domain.subjects.key(topic.config.incarnation, change.partition, key)
      const own = this.keys.get(subject)
      if (own === undefined) this.keys.set(subject, { topic, key, changes: [change] })
      else own.changes.push(change)
    }
  }

  /** @throws AegisError `TRANSACTION_TOO_LARGE` */
  put(entry: OwnEntry): void {
    this.#grow(entry.key.length + (entry.value?.length ?? 0))
    this.state.set(this.#domain.subjects.state(entry.space, entry.key), entry)
  }

  changesOf(topic: Topic, key: Uint8Array): readonly Change[] {
    return this.keys.get(keySubject(this.#domain, topic, key))?.changes ?? []
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > mostBytes) throw tooLarge(`more than ${mostBytes} bytes`)
  }
}
