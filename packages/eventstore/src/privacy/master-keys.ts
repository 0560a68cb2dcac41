import { randomBytes } from 'node:crypto'
import { AegisError } from '@aegis/storage'
import { invalid } from '../invalid.ts'
import { decrypt, encrypt, keyBytes } from './cipher.ts'
import { SubjectDataKey } from './subject-data-key.ts'

/** A key that keeps the keys of the subjects: from a key management service, or wherever you keep secrets. */
export interface MasterKey {
  /** Not a secret: stored with what the key wraps. */
  readonly id: string
  /** 32 bytes. */
  readonly key: Uint8Array
}

/** The key of a subject as it is stored. */
export interface WrappedKey {
  readonly id: string
  readonly master: string
  readonly wrapped: string
}

/** Wraps the keys of subjects, and unwraps them. */
export class MasterKeys {
  readonly #keys: ReadonlyMap<string, Uint8Array>
  readonly current: string

  /** @throws AegisError `EVENT_INVALID` */
  constructor(keys: readonly MasterKey[]) {
    if (!Array.isArray(keys) || keys.length === 0) throw invalid('masterKeys: give at least one { id, key }')
    for (const { id, key } of keys) {
      if (typeof id !== 'string' || id === '') throw invalid('id of a master key: give a text that is not empty')
      if (!(key instanceof Uint8Array) || key.length !== keyBytes)
        throw invalid(`master key ${id} has not ${keyBytes} bytes: give as many, of a good source of chance`)
    }
    this.#keys = new Map(keys.map(({ id, key }) => [id, Uint8Array.from(key)]))
    if (this.#keys.size < keys.length) throw invalid('two of masterKeys have the same id: give each its own')
    this.current = keys[0]!.id
  }

  make(subject: string): { key: SubjectDataKey; wrapped: WrappedKey } {
    const key = new SubjectDataKey(randomBytes(keyBytes / 2).toString('hex'), randomBytes(keyBytes))
    return { key, wrapped: this.wrap(subject, key) }
  }

  wrap(subject: string, { id, bytes }: SubjectDataKey): WrappedKey {
    const master = this.current
    return { id, master, wrapped: encrypt(this.#keys.get(master)!, bytes!, ['key', subject, id, master]) }
  }

  /** @throws AegisError `MASTER_KEY_UNKNOWN` */
  unwrap(subject: string, { id, master, wrapped }: WrappedKey): SubjectDataKey {
    const key = this.#keys.get(master)
    try {
      if (key !== undefined) return new SubjectDataKey(id, decrypt(key, wrapped, ['key', subject, id, master]))
    } catch (cause) {
      throw new AegisError(
        'MASTER_KEY_UNKNOWN',
        `the key of subject ${subject} cannot be unwrapped: master key ${master} is not the one that has wrapped it`,
        { cause, details: { subject, master } },
      )
    }
    throw new AegisError(
      'MASTER_KEY_UNKNOWN',
      `the key of subject ${subject} is wrapped by master key ${master}: give it in masterKeys, behind the current one`,
      { details: { subject, master } },
    )
  }
}
