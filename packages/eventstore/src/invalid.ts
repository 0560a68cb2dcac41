import { AegisError } from '@aegis/storage'

export const invalid = (message: string, cause?: unknown): AegisError =>
  new AegisError('EVENT_INVALID', message, { cause })

/** @param of What they belong to, for messages: `projection balances`. @throws AegisError `EVENT_INVALID` */
export function functions<T extends object>(of: string, given: T, ...names: (keyof T & string)[]): void {
  for (const name of names)
    if (typeof given[name] !== 'function') throw invalid(`${name} of ${of} is ${typeof given[name]}: give a function`)
}

/** @throws AegisError `EVENT_INVALID` */
export function wholeNumber(option: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0))
    throw invalid(`${option} ${String(value)}: give a whole number from 0`)
}
