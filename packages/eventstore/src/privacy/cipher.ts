import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

// AES-256-GCM: an initialisation vector of 12 random bytes, the encrypted bytes, a tag of 16.
const algorithm = 'aes-256-gcm'
const vectorBytes = 12
const tagBytes = 16

/** Bytes in the key of a subject, and in a master key. */
export const keyBytes = 32

/** What encrypted bytes are bound to: they cannot be read with anything else. */
const boundTo = (place: readonly unknown[]): Buffer => Buffer.from(JSON.stringify(place))

export function encrypt(key: Uint8Array, bytes: Uint8Array, place: readonly unknown[]): string {
  const vector = randomBytes(vectorBytes)
  const cipher = createCipheriv(algorithm, key, vector, { authTagLength: tagBytes }).setAAD(boundTo(place))
  return Buffer.concat([vector, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

/** Throws when the key, the place or the bytes are not those of the encryption. */
export function decrypt(key: Uint8Array, sealed: string, place: readonly unknown[]): Buffer {
  const bytes = Buffer.from(sealed, 'base64')
  if (bytes.length < vectorBytes + tagBytes) throw new Error('it is too short')
  const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, vectorBytes), { authTagLength: tagBytes })
    .setAAD(boundTo(place))
    .setAuthTag(bytes.subarray(-tagBytes))
  return Buffer.concat([decipher.update(bytes.subarray(vectorBytes, -tagBytes)), decipher.final()])
}
