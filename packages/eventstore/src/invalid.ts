import { AegisError } from '@aegis/storage'

export const invalid = (message: string, cause?: unknown): AegisError =>
  new AegisError('EVENT_INVALID', message, { cause })

/** @throws AegisError `EVENT_INVALID` */
export function wholeNumber(option: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0))
    throw invalid(`${option} ${String(value)}: give a whole number from 0`)
}
