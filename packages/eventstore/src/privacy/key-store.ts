import type { Log, LogReader, Transaction } from '@aegis/log'
import { streamKey } from '../streams/stream-id.ts'
import type { MasterKeys, WrappedKey } from './master-keys.ts'
import type { SubjectDataKey } from './subject-data-key.ts'

/** Keys of subjects. */
export const keySpace = '$events.keys'
/** By stream: the subjects that occur in its events. */
const subjectSpace = '$events.subjects'

const keyOf = (subject: string): Uint8Array => Buffer.from(subject)

function streamPrefix(streamId: string): Buffer {
  const key = streamKey(streamId)
  const prefix = Buffer.alloc(2 + key.length)
  prefix.writeUInt16BE(key.length)
  prefix.set(key, 2)
  return prefix
}

const decode = (stored: Uint8Array): WrappedKey => JSON.parse(Buffer.from(stored).toString())

interface Cached {
  readonly key: SubjectDataKey
  readonly until: number
  /** Streams of whom it is stored that the subject occurs in them. */
  readonly streams: Set<string>
}

const mostCached = 10_000
const mostStreams = 1000
/** Milliseconds until the storage is asked again: another process may have forgotten the subject. */
const cachedFor = 5000
/** Each conflict means that another append has made the key, or the subject was forgotten. */
const retries = 1000

// What forgets a subject on a log has all who have its key in memory forget it.
const storesOf = new WeakMap<Log, Set<KeyStore>>()

/** The keys of the subjects of a log. */
export class KeyStore {
  readonly #log: Log
  readonly #masters: MasterKeys
  readonly #cache = new Map<string, Cached>()
  /** There is one object for a key, however long others keep it, so that forgetting reaches all of them. */
  readonly #known = new Map<string, WeakRef<SubjectDataKey>>()
  readonly #collected = new FinalizationRegistry<string>(subject => {
    if (this.#known.get(subject)?.deref() === undefined) this.#known.delete(subject)
  })
  readonly #making = new Map<string, Promise<SubjectDataKey>>()
  /** Rises when a subject is forgotten: what was read before that may be its key. */
  #forgotten = 0

  constructor(log: Log, masters: MasterKeys) {
    this.#log = log
    this.#masters = masters
    let stores = storesOf.get(log)
    if (stores === undefined) storesOf.set(log, (stores = new Set()))
    stores.add(this)
  }

  /** The keys that there are. @throws AegisError `MASTER_KEY_UNKNOWN` */
  async keysOf(subjects: Iterable<string>): Promise<Map<string, SubjectDataKey>> {
    const keys = new Map<string, SubjectDataKey>()
    await Promise.all(
      [...subjects].map(async subject => {
        const key = this.#cached(subject)?.key ?? (await this.#read(subject))
        if (key !== undefined) keys.set(subject, key)
      }),
    )
    return keys
  }

  /** The keys of subjects for events of a stream, made where there are none. */
  async keysFor(streamId: string, subjects: readonly string[]): Promise<Map<string, SubjectDataKey>> {
    const keys = await Promise.all(
      subjects.map(async subject => {
        const cached = this.#cached(subject)
        const key = cached?.streams.has(streamId) ? cached.key : await this.#makeOnce(subject, streamId)
        return [subject, key] as const
      }),
    )
    return new Map(keys)
  }

  async keysOfStream(streamId: string): Promise<Map<string, SubjectDataKey>> {
    const prefix = streamPrefix(streamId)
    const subjects: string[] = []
    for await (const [key] of this.#log.scanState(subjectSpace, prefix))
      subjects.push(Buffer.from(key.subarray(prefix.length)).toString())
    return this.keysOf(subjects)
  }

  /** Deletes the key of a subject; when the transaction commits, those in memory go as well. */
  forget(tx: Transaction, subject: string): void {
    tx.deleteState(keySpace, keyOf(subject))
    tx.onCommit(() => {
      for (const store of storesOf.get(this.#log)!) store.#drop(subject)
    })
  }

  /** Wraps all keys that were wrapped by an older master key by the current one; gives how many. */
  async rewrap(): Promise<number> {
    let count = 0
    for await (const [key, stored] of this.#log.scanState(keySpace)) {
      if (decode(stored).master === this.#masters.current) continue
      const subject = Buffer.from(key).toString()
      count += await this.#log.transaction(
        async tx => {
          const wrapped = await this.#stored(tx, subject)
          if (wrapped === undefined || wrapped.master === this.#masters.current) return 0
          this.#put(tx, subject, this.#masters.wrap(subject, this.#masters.unwrap(subject, wrapped)))
          return 1
        },
        { retries },
      )
    }
    return count
  }

  /** One at a time for each, so that they do not conflict. */
  #makeOnce(subject: string, streamId: string): Promise<SubjectDataKey> {
    const id = JSON.stringify([subject, streamId])
    let making = this.#making.get(id)
    if (making === undefined) {
      making = this.#make(subject, streamId).finally(() => this.#making.delete(id))
      this.#making.set(id, making)
    }
    return making
  }

  async #make(subject: string, streamId: string): Promise<SubjectDataKey> {
    const before = this.#forgotten
    const key = await this.#log.transaction(
      async tx => {
        tx.putState(subjectSpace, Buffer.concat([streamPrefix(streamId), keyOf(subject)]), Buffer.alloc(0))
        const stored = await this.#stored(tx, subject)
        if (stored !== undefined) return this.#masters.unwrap(subject, stored)
        const made = this.#masters.make(subject)
        this.#put(tx, subject, made.wrapped)
        return made.key
      },
      { retries },
    )
    if (before !== this.#forgotten) return this.#make(subject, streamId)
    const cached = this.#keep(subject, key)
    if (cached.streams.size >= mostStreams) cached.streams.clear()
    cached.streams.add(streamId)
    return cached.key
  }

  async #read(subject: string): Promise<SubjectDataKey | undefined> {
    const before = this.#forgotten
    const known = this.#known.get(subject)?.deref()
    const stored = await this.#stored(this.#log, subject)
    if (before !== this.#forgotten) return this.#read(subject)
    if (stored !== undefined) return this.#keep(subject, this.#masters.unwrap(subject, stored)).key
    // Another process has forgotten it. Not one that was made while we read: that is of a subject who has come back.
    known?.forget()
    return undefined
  }

  async #stored(reader: LogReader, subject: string): Promise<WrappedKey | undefined> {
    const stored = await reader.getState(keySpace, keyOf(subject))
    return stored === undefined ? undefined : decode(stored)
  }

  #put(tx: Transaction, subject: string, wrapped: WrappedKey): void {
    tx.putState(keySpace, keyOf(subject), Buffer.from(JSON.stringify(wrapped)))
  }

  #cached(subject: string): Cached | undefined {
    const cached = this.#cache.get(subject)
    if (cached === undefined || cached.until > this.#log.now()) return cached
    this.#cache.delete(subject)
    return undefined
  }

  #keep(subject: string, read: SubjectDataKey): Cached {
    const key = this.#only(subject, read)
    const known = this.#cached(subject)
    if (known?.key === key) return known
    const cached = { key, until: this.#log.now() + cachedFor, streams: new Set<string>() }
    this.#cache.set(subject, cached)
    if (this.#cache.size > mostCached) this.#cache.delete(this.#cache.keys().next().value!)
    return cached
  }

  #only(subject: string, read: SubjectDataKey): SubjectDataKey {
    const known = this.#known.get(subject)?.deref()
    if (known?.id === read.id) return known
    this.#known.set(subject, new WeakRef(read))
    this.#collected.register(read, subject)
    return read
  }

  #drop(subject: string): void {
    this.#forgotten++
    this.#known.get(subject)?.deref()?.forget()
    this.#known.delete(subject)
    this.#cache.delete(subject)
  }
}
