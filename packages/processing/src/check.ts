import { AegisError } from '@aegis/storage'

export const invalid = (message: string): AegisError => new AegisError('PROCESSOR_INVALID', message)

/** @throws AegisError `PROCESSOR_INVALID` */
export function checkName(option: string, name: unknown): string {
  if (typeof name === 'string' && /^[A-Za-z0-9._-]{1,200}$/.test(name)) return name
  throw invalid(`${option} is ${JSON.stringify(name)}: give 1 to 200 letters, digits, '.', '_' or '-'`)
}

/** @throws AegisError `PROCESSOR_INVALID` */
export function checkFunction<F>(operator: string, given: F): F {
  if (typeof given === 'function') return given
  throw invalid(`${operator} was given ${given === null ? 'null' : typeof given}: give a function`)
}
