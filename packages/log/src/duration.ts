import { AegisError } from '@aegis/storage'

const milliseconds = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const bytes = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9 } as const

function parse(option: string, value: number | string, units: Readonly<Record<string, number>>): number {
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*([a-zA-Z]+)$/.exec(value) : null
  const unit = match === null ? undefined : Object.hasOwn(units, match[2]!) ? units[match[2]!] : undefined
  const result = typeof value === 'number' ? value : unit === undefined ? Number.NaN : Number(match![1]) * unit
  if (!Number.isSafeInteger(result) || result < 0) {
    throw new AegisError(
      'LOG_INVALID',
      `${option} is ${JSON.stringify(value)}: give a whole number or a text such as '5${Object.keys(units)[2]}' (${Object.keys(units).join(', ')})`,
    )
  }
  return result
}

/** Milliseconds of a duration: a number, or a text such as `'5m'`. */
export const parseDuration = (option: string, value: number | string): number => parse(option, value, milliseconds)

/** Bytes of a size: a number, or a text such as `'1MB'` (1,000,000 bytes). */
export const parseSize = (option: string, value: number | string): number => parse(option, value, bytes)
