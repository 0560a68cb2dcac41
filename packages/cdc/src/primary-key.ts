import { AegisError } from '@aegis/storage'

/** A finite number, or well-formed text of at most 4,000 bytes. `1` and `'1'` are two keys, `0` and `-0` one. */
export type PrimaryKey = string | number

const maxBytes = 4000

/** Injective; byte order is: numbers by value, then strings by code point. @throws AegisError `ROW_INVALID` */
export function encodeKey(key: unknown): Uint8Array {
  if (typeof key === 'number' && Number.isFinite(key)) {
    const out = Buffer.alloc(9)
    out[0] = 1
    out.writeDoubleBE(key === 0 ? 0 : key, 1)
    if (key < 0) for (let i = 1; i < 9; i++) out[i] = ~out[i]! & 0xff
    else out[1]! |= 0x80
    return out
  }
  if (typeof key === 'string' && key.isWellFormed() && Buffer.byteLength(key) <= maxBytes) {
    return Buffer.concat([Uint8Array.of(2), Buffer.from(key, 'utf8')])
  }
  const shown = typeof key === 'string' ? JSON.stringify(key.slice(0, 100)) : String(key)
  throw new AegisError(
    'ROW_INVALID',
    `primary key ${shown}: give a finite number or well-formed text of at most ${maxBytes} bytes`,
  )
}
