import type { LogReader, Transaction } from '@aegis/log'

/** How far something has gone through the events, as it is stored. */
export interface Checkpoint {
  /** Events below it are handled. */
  readonly position: number
  /** How many of them could not be handled and were left out. */
  readonly skipped: number
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
export class CheckpointStore {
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

  skip(tx: Transaction, event: SkippedEvent): void {
    const at = String(event.position).padStart(16, '0')
    tx.putState(this.#space, Buffer.concat([this.#skippedPrefix, Buffer.from(at)]), Buffer.from(JSON.stringify(event)))
  }

  /** What was left out, by position. */
  async *skipped(reader: LogReader): AsyncGenerator<SkippedEvent, void, undefined> {
    for await (const [, value] of reader.scanState(this.#space, this.#skippedPrefix))
      yield JSON.parse(Buffer.from(value).toString())
  }

  /** As if it had never run. */
  async clear(tx: Transaction): Promise<void> {
    tx.deleteState(this.#space, this.#key)
    for await (const [key] of tx.scanState(this.#space, this.#skippedPrefix)) tx.deleteState(this.#space, key)
  }
}
