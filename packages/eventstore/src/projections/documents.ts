import type { Log, LogReader, Transaction, Untyped } from '@aegis/log'
import { invalid } from '../invalid.ts'

const keyOf = (key: string): Uint8Array => {
  if (typeof key === 'string' && key.isWellFormed()) return Buffer.from(key)
  throw invalid(`key ${JSON.stringify(key)} of a document: give well-formed text`)
}

const decode = (value: Uint8Array): Untyped =>
  JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString())

const pageSize = 1000

/** What can be read of documents. */
class DocumentReader<Value> {
  readonly #reader: LogReader
  readonly #space: string

  constructor(reader: LogReader, space: string) {
    this.#reader = reader
    this.#space = space
  }

  async get(key: string): Promise<Value | undefined> {
    const stored = await this.#reader.getState(this.#space, keyOf(key))
    return stored === undefined ? undefined : decode(stored)
  }

  /** The documents whose keys have a prefix, in byte order of the keys. */
  async *scan(prefix = ''): AsyncGenerator<[key: string, value: Value], void, undefined> {
    for await (const [key, value] of this.#reader.scanState(this.#space, keyOf(prefix)))
      yield [Buffer.from(key).toString(), decode(value)]
  }
}

/** Documents inside a transaction: reads see its own writes. */
export class DocumentWriter<Value = Untyped> extends DocumentReader<Value> {
  readonly #tx: Transaction
  readonly #space: string

  constructor(tx: Transaction, space: string) {
    super(tx, space)
    this.#tx = tx
    this.#space = space
  }

  /** @throws AegisError `EVENT_INVALID` for what JSON cannot carry */
  put(key: string, value: Value): void {
    let text: string | undefined
    try {
      text = JSON.stringify(value)
    } catch (error) {
      throw invalid(`document ${key} cannot be stored as JSON: ${String(error)}`, error)
    }
    if (text === undefined) throw invalid(`document ${key} is ${typeof value}: give what JSON can carry`)
    this.#tx.putState(this.#space, keyOf(key), Buffer.from(text))
  }

  delete(key: string): void {
    this.#tx.deleteState(this.#space, keyOf(key))
  }
}

/** JSON values by key in a private key space of the log: the read model of a projection that names no other. */
export class Documents<Value = Untyped> extends DocumentReader<Value> {
  readonly #log: Log
  readonly #space: string

  constructor(log: Log, space: string) {
    super(log, space)
    this.#log = log
    this.#space = space
  }

  /** The documents inside a transaction of the log. */
  within(tx: Transaction): DocumentWriter<Value> {
    return new DocumentWriter(tx, this.#space)
  }

  /** Deletes all, in several commits. */
  async truncate(): Promise<void> {
    let page: Uint8Array[] = []
    const deletePage = (): Promise<void> =>
      this.#log.transaction(tx => {
        for (const key of page) tx.deleteState(this.#space, key)
      })
    for await (const [key] of this.#log.scanState(this.#space)) {
      page.push(key)
      if (page.length < pageSize) continue
      await deletePage()
      page = []
    }
    if (page.length > 0) await deletePage()
  }
}
