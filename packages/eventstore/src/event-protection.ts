import { invalid } from './invalid.ts'

/** A part of an event's data that is readable only with the key of a subject. */
export interface SealedPart {
  readonly subject: string
  /** Id of the key. */
  readonly key: string
  /** Where the values belong in the data. */
  readonly fields: readonly string[]
  /** The encrypted values, base64. */
  readonly sealed: string
}

/** What the encryption of a part is bound to, so that it is worth nothing in another place. */
export interface SealedPlace {
  readonly streamId: string
  readonly id: string
  readonly type: string
}

/** The keys of some subjects; those who are forgotten have none. */
export type SubjectKeys = ReadonlyMap<string, SubjectKey>

export interface SubjectKey {
  readonly id: string
}

/** The keys of both; `undefined` when a subject was forgotten, and came back, between the one and the other. */
export function unitedKeys(earlier: SubjectKeys, later: SubjectKeys): SubjectKeys | undefined {
  for (const [subject, { id }] of later) if ((earlier.get(subject)?.id ?? id) !== id) return undefined
  return new Map([...earlier, ...later])
}

/** Makes parts of events readable only with keys that can be forgotten; `@aegis/eventstore/privacy` is one. */
export interface EventProtection {
  /** The subjects of whom the data of an event tells. @throws AegisError `EVENT_INVALID` */
  subjectsOf(streamId: string, type: string, data: unknown): string[]
  /** The keys of subjects for events of a stream, made where there are none. */
  keysFor(streamId: string, subjects: readonly string[]): Promise<SubjectKeys>
  /** The keys that there are. */
  keysOf(subjects: Iterable<string>): Promise<SubjectKeys>
  /** The data without what is private, and that sealed. */
  seal(place: SealedPlace, data: unknown, keys: SubjectKeys): { data: unknown; parts: SealedPart[] }
  /** The values of a part; `undefined` when its key is forgotten. @throws AegisError `PRIVATE_DATA_CORRUPT` */
  open(place: SealedPlace, part: SealedPart, keys: SubjectKeys): readonly unknown[] | undefined
  /** The keys of all subjects who occur in a stream, for what is made of its events. */
  keysOfStream(streamId: string): Promise<SubjectKeys>
  /** Text that is readable only as long as none of the keys is forgotten. */
  sealText(streamId: string, text: string, keys: SubjectKeys): SealedText
  /** `undefined` when a key is forgotten. @throws AegisError `PRIVATE_DATA_CORRUPT` */
  openText(streamId: string, sealed: SealedText): Promise<string | undefined>
}

export interface SealedText {
  /** Subjects and the ids of their keys. */
  readonly keys: readonly (readonly [subject: string, key: string])[]
  readonly sealed: string
}

/**
 * Stands where a private value was: it was forgotten, or this program has no keys to read it (`'sealed'`). It is plain JSON, so
 * that it comes through projections and snapshots as it is.
 */
export interface Absent {
  readonly $absent: 'forgotten' | 'sealed'
}

/** The type of a field that can be forgotten. */
export type Private<T> = T | Absent

/** Whether a private value cannot be read. */
export function isAbsent(value: unknown): value is Absent {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, '$absent')
}

/** The type of the events that say that a subject was forgotten. */
export const forgottenType = '$subject-forgotten'

/** A header of events that have private parts: one for each subject. */
export const subjectHeader = 'subject'

/** Puts what was sealed back into the data, or marks its absence. */
export function unseal(
  data: unknown,
  parts: readonly SealedPart[],
  open: (part: SealedPart) => readonly unknown[] | Absent,
): void {
  for (const part of parts) {
    const values = open(part)
    for (const [at, field] of part.fields.entries()) replaceField(data, field, isAbsent(values) ? values : values[at])
  }
}

/** Puts a value in the place of what is in a field, `'address.street'` for one inside of another; gives what was there. */
export function replaceField(data: unknown, field: string, value: unknown): unknown {
  const path = field.split('.')
  const last = path.pop()!
  let holder = data
  for (const name of path) holder = own(holder, name)
  const before = own(holder, last)
  if (before !== undefined)
    Object.defineProperty(holder, last, { value, writable: true, enumerable: true, configurable: true })
  return before
}

const own = (holder: unknown, name: string): unknown =>
  typeof holder === 'object' && holder !== null && Object.hasOwn(holder, name)
    ? (holder as Record<string, unknown>)[name]
    : undefined

/** @throws AegisError `EVENT_INVALID` */
export function checkSubject(subject: unknown, of: string): string {
  if (typeof subject === 'string' && subject !== '' && subject.length <= 500 && subject.isWellFormed()) return subject
  throw invalid(`the subject of ${of} is ${JSON.stringify(subject)}: give well-formed text of 1 to 500 characters`)
}
