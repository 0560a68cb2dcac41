import type { LogReader, Transaction } from '@aegis/log'

/** How far something has gone through the events, as it is stored. */
export interface Checkpoint {
  /** Events below it are handled. */
  readonly position: number
  /** How many of them could not be handled and were left out. */
  readonly skipped: number
  /** Of the topic of the events: positions mean nothing in another. */
  readonly incarnation: string
}

/** An event that could not be handled and was left out. */
export interface SkippedEvent {
  readonly streamId: string
  readonly version: number
  readonly position: number
  /** What was thrown. */
  readonly error: string
}

/** Where the checkpoint of one processor is stored, and what it has left out. */
export class CheckpointStore<Skipped = SkippedEvent> {
  readonly #space: string
  readonly #key: Uint8Array
  readonly #skippedPrefix: Uint8Array

  /** @param id Of no other processor in the space. */
  constructor(space: string, id: string) {
    this.#space = space
    this.#key = Buffer.from(JSON.stringify(['checkpoint', id]))
    // JSON ends a text, so that no id is the beginning of another.
    this.#skippedPrefix = Buffer.from(`${JSON.stringify(['skipped', id]).slice(0, -1)},`)
  }

  async read(reader: LogReader): Promise<Checkpoint | undefined> {
    const stored = await reader.getState(this.#space, this.#key)
    return stored === undefined ? undefined : JSON.parse(Buffer.from(stored).toString())
  }

  write(tx: Transaction, checkpoint: Checkpoint): void {
    tx.putState(this.#space, this.#key, Buffer.from(JSON.stringify(checkpoint)))
  }

  /** @param at A number that is higher for what is left out later. @param id Of nothing else at the same. */
  skip(tx: Transaction, at: number, id: string, skipped: Skipped): void {
    const key = Buffer.concat([this.#skippedPrefix, Buffer.from(`${String(at).padStart(16, '0')} ${id}`)])
    tx.putState(this.#space, key, Buffer.from(JSON.stringify(skipped)))
  }

  /** What was left out, in order. */
  async *skipped(reader: LogReader): AsyncGenerator<Skipped, void, undefined> {
    for await (const [, value] of reader.scanState(this.#space, this.#skippedPrefix))
      yield JSON.parse(Buffer.from(value).toString())
  }

  /** As if it had never run. */
  async clear(tx: Transaction): Promise<void> {
    tx.deleteState(this.#space, this.#key)
    for await (const [key] of tx.scanState(this.#space, this.#skippedPrefix)) tx.deleteState(this.#space, key)
  }
}
