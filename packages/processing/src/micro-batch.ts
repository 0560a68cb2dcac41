import type { OutgoingRecord, Transaction } from '@aegis/log'

/** What some records cause, gathered to be committed in one transaction. */
export class MicroBatch {
  /** Rough size of what the transaction will write. */
  bytes = 0
  recordsIn = 0
  late = 0
  readonly outputs: OutgoingRecord[] = []
  readonly #puts: (readonly [key: Uint8Array, value: Uint8Array])[] = []
  readonly #deletes: Uint8Array[] = []

  output(record: OutgoingRecord): void {
    this.outputs.push(record)
    this.grow((record.key?.length ?? 0) + (record.value?.length ?? 0) + 128)
    for (const { key, value } of record.headers ?? []) this.grow(key.length * 3 + (value?.length ?? 0))
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#puts.push([key, value])
  }

  delete(key: Uint8Array): void {
    this.#deletes.push(key)
    this.grow(key.length)
  }

  /** Counts bytes that `put` will bring before they are there. */
  grow(bytes: number): void {
    this.bytes += bytes
  }

  apply(tx: Transaction, space: string, sink: string): void {
    if (this.outputs.length > 0) tx.append(sink, this.outputs)
    for (const key of this.#deletes) tx.deleteState(space, key)
    for (const [key, value] of this.#puts) tx.putState(space, key, value)
  }
}
