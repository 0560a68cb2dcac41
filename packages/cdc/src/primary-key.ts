import { AegisError } from '@aegis/storage'

/** A string or a finite number. */
export type PrimaryKey = string | number

/** Injective; byte order is: numbers by value, then strings by code point. */
export function encodeKey(key: unknown): Uint8Array {
  if (typeof key === 'number' && Number.isFinite(key)) {
    const out = Buffer.alloc(9)
    out[0] = 1
    out.writeDoubleBE(key === 0 ? 0 : key, 1)
    if (key < 0) for (let i = 1; i < 9; i++) out[i] = ~out[i]! & 0xff
    else out[1]! |= 0x80
    return out
  }
  if (typeof key === 'string' && key.isWellFormed()) return Buffer.concat([Uint8Array.of(2), Buffer.from(key, 'utf8')])
  throw new AegisError('ROW_INVALID', `primary key ${String(key)}: give a finite number or well-formed text`)
}
