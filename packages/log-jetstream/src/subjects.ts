import { createHash } from 'node:crypto'

/** Longer tokens are replaced by their digest: a subject has to fit into the servers' protocol line. */
const longestToken = 200

const safe = /^[A-Za-z0-9_-]+$/

/** `undefined` when the token is a digest, so that the real bytes must travel with the message. */
function readableToken(bytes: Uint8Array): string | undefined {
  if (bytes.length > longestToken) return undefined
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  if (safe.test(text)) return text
  // An equals sign alone stands for nothing at all: a token cannot be empty.
  if (text === '') return '='
  const escaped = text.replaceAll(
    /[^A-Za-z0-9_-]/g,
    character => `=${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
  return escaped.length > longestToken ? undefined : escaped
}

/** Any bytes as one token of a subject; different bytes give different tokens. */
export const tokenOf = (bytes: Uint8Array | string): string => {
  const raw = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
  // `=h` is no escape, so no readable token looks like a digest.
  return readableToken(raw) ?? `=h${createHash('sha256').update(raw).digest('hex')}`
}

/** The bytes of a readable token; `undefined` for a digest. */
export function bytesOf(token: string): Uint8Array | undefined {
  if (token.startsWith('=h')) return undefined
  if (token === '=') return new Uint8Array()
  return Buffer.from(
    token.replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}

/** The subjects of one domain. `id` is the incarnation of a topic, so that a recreated one has others. */
export class Subjects {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  get all(): string {
    return `${this.#prefix}.>`
  }

  get topics(): string {
    return `${this.#prefix}.topic.*`
  }

  topic(name: string): string {
    return `${this.#prefix}.topic.${tokenOf(name)}`
  }

  /** All records of a topic. */
  records(id: string): string {
    return `${this.#prefix}.record.${id}.>`
  }

  /** The records of a partition of a topic that is not keyed. */
  partition(id: string, partition: number): string {
    return `${this.#prefix}.record.${id}.${partition}`
  }

  /** The records of a partition of a keyed topic. */
  keys(id: string, partition: number | '*'): string {
    return `${this.#prefix}.record.${id}.${partition}.*`
  }

  key(id: string, partition: number, key: Uint8Array): string {
    return `${this.#prefix}.record.${id}.${partition}.${tokenOf(key)}`
  }

  /** What is known of a producer of a topic. */
  producer(id: string, producerId: string): string {
    return `${this.#prefix}.producer.${id}.${tokenOf(producerId)}`
  }

  /** The producers of a topic. */
  producers(id: string): string {
    return `${this.#prefix}.producer.${id}.*`
  }

  space(space: string): string {
    return `${this.#prefix}.state.${tokenOf(space)}.*`
  }

  state(space: string, key: Uint8Array): string {
    return `${this.#prefix}.state.${tokenOf(space)}.${tokenOf(key)}`
  }

  get states(): string {
    return `${this.#prefix}.state.>`
  }

  /** By the topic's name: a position that outlives its topic is to be found, and known for what it is. */
  position(topic: string, groupId: string, partition: number): string {
    return `${this.#prefix}.group.${tokenOf(topic)}.${tokenOf(groupId)}.${partition}`
  }

  /** All positions, or those of one topic. */
  positions(topic?: string): string {
    return topic === undefined ? `${this.#prefix}.group.>` : `${this.#prefix}.group.${tokenOf(topic)}.>`
  }

  /** Where a transaction leaves its mark. */
  commit(transactionId: string): string {
    return `${this.#prefix}.commit.${transactionId}`
  }

  /** Where a transaction checks what it has only read. */
  check(transactionId: string): string {
    return `${this.#prefix}.check.${transactionId}`
  }
}
