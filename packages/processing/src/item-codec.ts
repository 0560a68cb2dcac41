import { deserialize, serialize } from 'node:v8'
import { AegisError } from '@aegis/storage'

// Items come back after a restart exactly as they were, or are refused when they come in: a result must not depend on
// whether there was a restart. Most are JSON; dates, maps, bigints and the like take the structured clone.
const Form = { json: 0, clone: 1, none: 2 } as const
type Form = (typeof Form)[keyof typeof Form]

function formOfAll(values: Iterable<unknown>): Form {
  let form: Form = Form.json
  for (const value of values) {
    const one = formOf(value)
    if (one > form) form = one
    if (form === Form.none) return form
  }
  return form
}

function formOf(value: unknown): Form {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return Form.json
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? Form.json : Form.clone
  if (value === undefined || typeof value === 'bigint') return Form.clone
  if (typeof value !== 'object') return Form.none
  if (Array.isArray(value)) return formOfAll(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) {
    let form: Form = Form.json
    for (const name in value) {
      const one = formOf((value as Record<string, unknown>)[name])
      if (one > form) form = one
    }
    return form
  }
  if (value instanceof Map) return Math.max(Form.clone, formOfAll(value.keys()), formOfAll(value.values())) as Form
  if (value instanceof Set) return Math.max(Form.clone, formOfAll(value)) as Form
  return prototype === Date.prototype || ArrayBuffer.isView(value) ? Form.clone : Form.none
}

/** @throws AegisError `VALUE_INVALID` for what would not come back the same: functions, symbols, instances of classes. */
export function encodeItem(item: unknown): Uint8Array {
  const form = formOf(item)
  if (form === Form.none) {
    throw new AegisError(
      'VALUE_INVALID',
      'an item of a window has a function, a symbol or an instance of a class in it, which cannot be stored: map it to plain data before the window',
    )
  }
  const text = form === Form.json ? JSON.stringify(item) : undefined
  const size = text === undefined ? 0 : Buffer.byteLength(text)
  const clone = text === undefined ? serialize(item) : undefined
  const bytes = Buffer.allocUnsafe(5 + (clone?.length ?? size))
  bytes[0] = form
  bytes.writeUInt32LE(bytes.length - 5, 1)
  if (clone !== undefined) bytes.set(clone, 5)
  else bytes.write(text!, 5, size, 'utf8')
  return bytes
}

/** The items of concatenated `encodeItem`s. */
export function decodeItems(bytes: Uint8Array): unknown[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const items: unknown[] = []
  for (let at = 0; at < buffer.length; ) {
    const end = at + 5 + buffer.readUInt32LE(at + 1)
    const body = buffer.subarray(at + 5, end)
    items.push(buffer[at] === Form.json ? JSON.parse(body.toString('utf8')) : deserialize(body))
    at = end
  }
  return items
}
