import type { Log, LogReader, Transaction, Untyped } from '@aegis/log'
import { checkSubject } from '../event-protection.ts'
import { invalid } from '../invalid.ts'

const keyOf = (key: string): Uint8Array => {
  if (typeof key === 'string' && key.isWellFormed()) return Buffer.from(key)
  throw invalid(`key ${JSON.stringify(key)} of a document: give well-formed text`)
}

export interface PutOptions {
  /**
   * Of whom the document tells: it is deleted when a `Privacy` forgets one of them, in the same commit. Counts until the document is
   * put again or deleted. Default: nobody.
   */
  subject?: string | readonly string[]
}

// A document is JSON, and behind a line feed, which JSON does not have, the list of its subjects if it has any.
const textOf = (value: Uint8Array): string => Buffer.from(value.buffer, value.byteOffset, value.length).toString()

const decode = (value: Uint8Array): Untyped => JSON.parse(textOf(value).split('\n', 1)[0]!)

function subjectsOf(value: Uint8Array): readonly string[] {
  const [, subjects] = textOf(value).split('\n', 2)
  return subjects === undefined ? [] : JSON.parse(subjects)
}

/** The key space in which the keys of documents stand by subject. Some may be of documents that are another's by now. */
const subjectSpace = (space: string): string => `${space}#subjects`

// JSON ends a text, so that no subject is the beginning of another.
const prefixOf = (subject: string): Buffer => Buffer.from(JSON.stringify(subject))

const pageSize = 1000
const noBytes = new Uint8Array()

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

  /** @throws AegisError `EVENT_INVALID` for what JSON cannot carry, and for a subject that is no text */
  put(key: string, value: Value, { subject = [] }: PutOptions = {}): void {
    let text: string | undefined
    try {
      text = JSON.stringify(value)
    } catch (error) {
      throw invalid(`document ${key} cannot be stored as JSON: ${String(error)}`, error)
    }
    if (text === undefined) throw invalid(`document ${key} is ${typeof value}: give what JSON can carry`)
    const subjects = typeof subject === 'string' ? [subject] : subject
    const stored = subjects.length === 0 ? text : `${text}\n${JSON.stringify(subjects)}`
    this.#tx.putState(this.#space, keyOf(key), Buffer.from(stored))
    for (const one of subjects) {
      const listed = Buffer.concat([prefixOf(checkSubject(one, `document ${key}`)), keyOf(key)])
      this.#tx.putState(subjectSpace(this.#space), listed, noBytes)
    }
  }

  /** Deletes the documents of a subject. */
  async forget(subject: string): Promise<void> {
    const prefix = prefixOf(subject)
    const space = subjectSpace(this.#space)
    const listed: Uint8Array[] = []
    for await (const [key] of this.#tx.scanState(space, prefix)) listed.push(key)
    for (const entry of listed) {
      const key = entry.subarray(prefix.length)
      const document = await this.#tx.getState(this.#space, key)
      if (document !== undefined && subjectsOf(document).includes(subject)) this.#tx.deleteState(this.#space, key)
      this.#tx.deleteState(space, entry)
    }
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
    for (const space of [this.#space, subjectSpace(this.#space)]) await this.#truncate(space)
  }

  async #truncate(space: string): Promise<void> {
    let page: Uint8Array[] = []
    const deletePage = (): Promise<void> =>
      this.#log.transaction(tx => {
        for (const key of page) tx.deleteState(space, key)
      })
    for await (const [key] of this.#log.scanState(space)) {
      page.push(key)
      if (page.length < pageSize) continue
      await deletePage()
      page = []
    }
    if (page.length > 0) await deletePage()
  }
}
