import type { Untyped } from '@aegis/log'
import { invalid } from '../invalid.ts'

/** Which data of an event is private, and whose it is. */
export interface PersonalData {
  /** Type of the events, as it is stored (after downcasting, where there is any). */
  readonly type: string
  /** Whose data it is: an id that is not itself secret, for it is stored readable, and stays when the subject is forgotten. */
  subject(data: Untyped, streamId: string): string
  /** Properties of the data; `'address.street'` is one inside of another. Those that an event has not are nothing to hide. */
  readonly fields: readonly string[]
}

/** By type of event. @throws AegisError `EVENT_INVALID` */
export function personalDataByType(rules: readonly PersonalData[]): ReadonlyMap<string, readonly PersonalData[]> {
  if (!Array.isArray(rules)) throw invalid('personalData: give a list of { type, subject, fields }')
  const byType = new Map<string, PersonalData[]>()
  for (const rule of rules) {
    const { type, subject, fields } = rule
    if (typeof type !== 'string' || type === '') throw invalid('type of personalData: give the type of an event')
    if (typeof subject !== 'function') throw invalid(`subject of personalData ${type}: give a function of the data`)
    if (!Array.isArray(fields) || fields.length === 0)
      throw invalid(`fields of personalData ${type}: give at least one`)
    for (const field of fields)
      if (typeof field !== 'string' || field.split('.').some(name => name === ''))
        throw invalid(`field ${JSON.stringify(field)} of personalData ${type}: give the name of a property`)
    byType.set(type, [...(byType.get(type) ?? []), rule])
  }
  for (const [type, same] of byType) {
    const fields = same.flatMap(rule => rule.fields).sort()
    for (const [at, field] of fields.entries())
      if (fields.some((other, n) => n !== at && (other === field || other.startsWith(`${field}.`))))
        throw invalid(`field ${field} of personalData ${type} contains another of its fields: give each once`)
  }
  return byType
}
