import { AegisError } from '@aegis/storage'

/** @throws AegisError `PUBSUB_INVALID` for what is no object, and for an option that is not known: a slip would have no effect */
export function checkKnown(of: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new AegisError('PUBSUB_INVALID', `the options of ${of} are ${String(options)}: give an object`)
  }
  const unknown = Object.keys(options).find(option => !known.includes(option))
  if (unknown === undefined) return
  throw new AegisError(
    'PUBSUB_INVALID',
    `option ${JSON.stringify(unknown)} of ${of} is not known: there are ${known.join(', ')}`,
  )
}
