import { hkdfSync } from 'node:crypto'
import { AegisError } from '@aegis/storage'
import {
  checkSubject,
  type EventProtection,
  replaceField,
  type SealedPart,
  type SealedPlace,
  type SealedText,
  type SubjectKeys,
} from '../event-protection.ts'
import { decrypt, encrypt, keyBytes } from './cipher.ts'
import type { KeyStore } from './key-store.ts'
import type { PersonalData } from './personal-data.ts'
import { SubjectDataKey } from './subject-data-key.ts'

/** Bytes of a key that is there. */
function bytesOf(keys: SubjectKeys, subject: string, id: string): Buffer | undefined {
  const key = keys.get(subject)
  // A subject who was forgotten and has come back has another key.
  return key instanceof SubjectDataKey && key.id === id ? key.bytes : undefined
}

const placeOf = ({ streamId, id, type }: SealedPlace, subject: string, key: string, fields: readonly string[]) =>
  ['event', subject, key, streamId, id, type, fields] as const

/** Private parts of events and snapshots, by the keys of one log. */
export class ProtectedLog implements EventProtection {
  readonly #rules: ReadonlyMap<string, readonly PersonalData[]>
  readonly #keys: KeyStore

  constructor(rules: ReadonlyMap<string, readonly PersonalData[]>, keys: KeyStore) {
    this.#rules = rules
    this.#keys = keys
  }

  subjectsOf(streamId: string, type: string, data: unknown): string[] {
    return (this.#rules.get(type) ?? []).map(rule => this.#subjectOf(rule, streamId, data))
  }

  keysFor(streamId: string, subjects: readonly string[]): Promise<SubjectKeys> {
    return this.#keys.keysFor(streamId, subjects)
  }

  keysOf(subjects: Iterable<string>): Promise<SubjectKeys> {
    return this.#keys.keysOf(subjects)
  }

  keysOfStream(streamId: string): Promise<SubjectKeys> {
    return this.#keys.keysOfStream(streamId)
  }

  seal(place: SealedPlace, data: unknown, keys: SubjectKeys): { data: unknown; parts: SealedPart[] } {
    const rules = this.#rules.get(place.type)
    if (rules === undefined) return { data, parts: [] }
    // What will be stored, in which fields can be replaced without touching what is the user's.
    const open: unknown = JSON.parse(JSON.stringify(data) ?? 'null')
    const parts = rules.flatMap(rule => {
      const subject = this.#subjectOf(rule, place.streamId, data)
      const values = rule.fields.map(field => [field, replaceField(open, field, null)] as const)
      const there = values.filter(([, value]) => value !== undefined)
      return there.length === 0 ? [] : [this.#part(place, subject, there, keys)]
    })
    return { data: open, parts }
  }

  open(place: SealedPlace, { subject, key, fields, sealed }: SealedPart, keys: SubjectKeys): unknown[] | undefined {
    const bytes = bytesOf(keys, subject, key)
    if (bytes === undefined || sealed === '') return undefined
    try {
      return JSON.parse(decrypt(bytes, sealed, placeOf(place, subject, key, fields)).toString())
    } catch (cause) {
      throw corrupt(`private data of event ${place.id} of stream ${place.streamId}`, cause)
    }
  }

  sealText(streamId: string, text: string, keys: SubjectKeys): SealedText {
    const list = [...keys].map(([subject, { id }]) => [subject, id] as const).sort(([a], [b]) => (a < b ? -1 : 1))
    const key = combined(list, keys)
    // Nobody can read it, which is right: somebody was forgotten meanwhile.
    if (key === undefined) return { keys: list, sealed: '' }
    return { keys: list, sealed: encrypt(key, Buffer.from(text), ['text', streamId, list]) }
  }

  async openText(streamId: string, { keys: list, sealed }: SealedText): Promise<string | undefined> {
    const key = combined(list, await this.#keys.keysOf(list.map(([subject]) => subject)))
    if (key === undefined || sealed === '') return undefined
    try {
      return decrypt(key, sealed, ['text', streamId, list]).toString()
    } catch (cause) {
      throw corrupt(`a snapshot of stream ${streamId}`, cause)
    }
  }

  #part(
    place: SealedPlace,
    subject: string,
    values: readonly (readonly [field: string, value: unknown])[],
    keys: SubjectKeys,
  ): SealedPart {
    const { id: key } = keys.get(subject)!
    const fields = values.map(([field]) => field)
    const bytes = bytesOf(keys, subject, key)
    // Forgotten since the key was fetched: as if it had been right after the append.
    if (bytes === undefined) return { subject, key, fields, sealed: '' }
    const text = Buffer.from(JSON.stringify(values.map(([, value]) => value)))
    return { subject, key, fields, sealed: encrypt(bytes, text, placeOf(place, subject, key, fields)) }
  }

  #subjectOf({ type, subject }: PersonalData, streamId: string, data: unknown): string {
    return checkSubject(subject(data, streamId), `personal data of event ${type} of stream ${streamId}`)
  }
}

/** A key that needs all of those of the list. */
function combined(list: SealedText['keys'], keys: SubjectKeys): Uint8Array | undefined {
  const parts = list.map(([subject, id]) => bytesOf(keys, subject, id))
  if (parts.some(part => part === undefined)) return undefined
  return new Uint8Array(hkdfSync('sha256', Buffer.concat(parts as Buffer[]), Buffer.alloc(0), 'aegis text', keyBytes))
}

const corrupt = (what: string, cause: unknown): AegisError =>
  new AegisError(
    'PRIVATE_DATA_CORRUPT',
    `${what} is not what was stored there: it was changed, or moved here; restore it from a backup`,
    { cause },
  )
