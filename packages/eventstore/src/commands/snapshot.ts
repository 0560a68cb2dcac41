import { type LogReader, parseSize, type Transaction, type Untyped } from '@aegis/log'
import type { EventLog } from '../event-log.ts'
import type { SealedText, SubjectKeys } from '../event-protection.ts'
import { invalid } from '../invalid.ts'
import { streamIdOf } from '../streams/stream-id.ts'

/**
 * When the state of a stream is kept beside its events, so that only the events after it are read. A snapshot is written
 * in the commit of the events that made it due; it is a cache, and can be left out, or be lost, without a loss.
 */
export interface SnapshotPolicy {
  /**
   * Says which code made the state: a number or text to be changed when `evolve` or the state's shape changes. Snapshots of
   * other versions are ignored, and replaced when the next is due.
   */
  version: number | string
  /** A snapshot is due when so many events came after the last. Default 100, unless `bytes` is given. */
  every?: number
  /** A snapshot is due when the events after the last have so many bytes: a number, or text such as `'1MB'`. */
  bytes?: number | string
  /** Tells the snapshots of handlers apart that are used on the same streams. Default empty. */
  name?: string
}

/** How a state becomes JSON and comes back. */
export interface SnapshotCodec<State> {
  write(state: State): unknown
  read(stored: Untyped): State
}

interface Stored {
  readonly schema: number | string
  /** Of the topic: versions of another one mean other events. */
  readonly incarnation: string
  readonly version: number
  readonly state: unknown
}

/** A state, and the version of the event that was its last. */
export interface Snapshot<State> {
  readonly state: State
  readonly version: number
}

// By stream and name. Private to the store: not a topic, for only the newest is of use, and only by its key.
const space = '$events.snapshots'

/** What a transaction can carry beside events of the largest size. A state beyond it is not kept. */
const maxBytes = 8_000_000

function prefixOf(streamKey: Uint8Array): Buffer {
  const prefix = Buffer.alloc(2 + streamKey.length)
  prefix.writeUInt16BE(streamKey.length)
  prefix.set(streamKey, 2)
  return prefix
}

/** The snapshots of one handler. */
export class Snapshots<State> {
  readonly #schema: number | string
  readonly #every: number
  readonly #bytes: number
  readonly #name: string
  readonly #codec: SnapshotCodec<State>

  /** @throws AegisError `EVENT_INVALID` */
  constructor(policy: SnapshotPolicy, codec: SnapshotCodec<State>) {
    const { version, every, bytes, name = '' } = policy
    if (!Number.isSafeInteger(version) && typeof version !== 'string')
      throw invalid(`snapshot version ${String(version)}: give a whole number or a text`)
    if (every !== undefined && !(Number.isSafeInteger(every) && every > 0))
      throw invalid(`snapshot every ${String(every)}: give a whole number from 1`)
    if (typeof name !== 'string' || !name.isWellFormed() || name.length > 200)
      throw invalid(`snapshot name ${JSON.stringify(name)}: give well-formed text of at most 200 characters`)
    this.#schema = version
    this.#every = every ?? (bytes === undefined ? 100 : Infinity)
    this.#bytes = bytes === undefined ? Infinity : parseSize('snapshot bytes', bytes)
    this.#name = name
    this.#codec = codec
  }

  /** The newest, if it was made by this code. */
  async read(events: EventLog, reader: LogReader, streamKey: Uint8Array): Promise<Snapshot<State> | undefined> {
    const value = await reader.getState(space, this.#key(streamKey))
    if (value === undefined) return undefined
    let stored: Stored | SealedText = JSON.parse(Buffer.from(value).toString('utf8'))
    if ('sealed' in stored) {
      const text = await events.protection?.openText(streamIdOf(streamKey), stored)
      if (text === undefined) return undefined
      stored = JSON.parse(text) as Stored
    }
    const { schema, incarnation, version, state } = stored
    if (schema !== this.#schema || incarnation !== events.incarnation) return undefined
    return { state: this.#codec.read(state), version }
  }

  /** Whether to write one, so many events and bytes after the last. */
  due(events: number, bytes: number): boolean {
    return events >= this.#every || bytes >= this.#bytes
  }

  /** @param keys Those of all subjects that the state may tell of: when one is forgotten, so is the snapshot. */
  write(
    { log, incarnation, protection }: EventLog,
    tx: Transaction,
    streamKey: Uint8Array,
    { state, version }: Snapshot<State>,
    keys: SubjectKeys | undefined,
  ): void {
    const stored: Stored = { schema: this.#schema, incarnation, version, state: this.#codec.write(state) }
    const text = JSON.stringify(stored)
    const sealed = keys && keys.size > 0 && protection?.sealText(streamIdOf(streamKey), text, keys)
    const value = Buffer.from(sealed ? JSON.stringify(sealed) : text)
    if (value.length <= Math.min(maxBytes, log.capabilities.maxMessageSize))
      tx.putState(space, this.#key(streamKey), value)
  }

  #key(streamKey: Uint8Array): Uint8Array {
    return Buffer.concat([prefixOf(streamKey), Buffer.from(this.#name)])
  }
}

/** Deletes the snapshots of a stream, whoever made them. */
export async function deleteSnapshots(tx: Transaction, streamKey: Uint8Array): Promise<void> {
  for await (const [key] of tx.scanState(space, prefixOf(streamKey))) tx.deleteState(space, key)
}
