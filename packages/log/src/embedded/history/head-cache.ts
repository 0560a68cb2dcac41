import type { Operation } from '@aegis/storage'
import { Space } from '../../keys.ts'
import { keyText } from '../stage.ts'
import type { StoredReads } from '../stored-reads.ts'

/** Bytes of heads that are kept in memory. */
const limit = 16_000_000
/** So many reads are answered from memory in one turn of the event loop. */
const maxServed = 250
/** What an entry costs beyond its bytes, about. */
const overhead = 200

/**
 * The heads of the histories that were read or written last: with its head, the newest records of a key are in memory. It
 * knows only what is durable.
 */
export class HeadCache {
  readonly #storage: StoredReads
  /** The one used longest ago first. */
  readonly #heads = new Map<string, Uint8Array>()
  #bytes = 0
  #served = 0
  #turn: Promise<void> | undefined
  /** How often something became durable. */
  #turns = 0

  constructor(storage: StoredReads) {
    this.#storage = storage
  }

  get(headKey: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const id = keyText(headKey)
    const known = this.known(id)
    if (known === undefined) return this.#read(id, headKey)
    // Reading from memory alone never lets the event loop go on: who reads in a loop would keep everything else waiting.
    if (++this.#served > maxServed) return this.#nextTurn().then(() => this.get(headKey))
    return known
  }

  /** The head that is stored under a key, if it is in memory. */
  known(id: string): Uint8Array | undefined {
    const head = this.#heads.get(id)
    if (head === undefined) return undefined
    this.#heads.delete(id)
    this.#heads.set(id, head)
    return head
  }

  /** A commit became durable. */
  durable(writes: ReadonlyMap<string, Operation>): void {
    this.#turns++
    for (const [id, operation] of writes) {
      if (operation.key[0] !== Space.head) continue
      this.#forget(id)
      // It lies in memory of its own.
      if (operation.type === 'put') this.#keep(id, operation.value)
    }
  }

  async #read(id: string, headKey: Uint8Array): Promise<Uint8Array | undefined> {
    const before = this.#turns
    const stored = await this.#storage.get(headKey)
    // What became durable while it was read may be newer.
    if (stored !== undefined && before === this.#turns) {
      this.#forget(id)
      this.#keep(id, stored)
    }
    return stored
  }

  #nextTurn(): Promise<void> {
    this.#turn ??= new Promise(resolve => {
      setImmediate(() => {
        this.#served = 0
        this.#turn = undefined
        resolve()
      })
    })
    return this.#turn
  }

  #keep(id: string, head: Uint8Array): void {
    this.#heads.set(id, head)
    this.#bytes += head.length + overhead
    for (const oldest of this.#heads.keys()) {
      if (this.#bytes <= limit) break
      this.#forget(oldest)
    }
  }

  #forget(id: string): void {
    const head = this.#heads.get(id)
    if (head === undefined) return
    this.#heads.delete(id)
    this.#bytes -= head.length + overhead
  }
}
