import { type OutgoingRecord, parseSize } from '@aegis/log'
import { AegisError } from '@aegis/storage'

/** How much may be on its way to the log at the same time. */
export interface PublishLimitOptions {
  /** Of keys, values and headers that are not durable yet: bytes or `'16MB'`. One message is always let through. */
  readonly bytes: number | string
  /**
   * What becomes of a message beyond it: `'wait'` (default) publishes it when there is room, in order, so that a program that
   * awaits is slowed down; `'fail'` rejects it with `PUBLISH_LIMIT`, so that one that does not await cannot fill the memory.
   */
  readonly whenFull?: 'wait' | 'fail'
}

/** Pushes back on who publishes faster than the log commits. */
export class PublishLimit {
  readonly #most: number
  readonly #whenFull: 'wait' | 'fail'
  #bytes = 0
  readonly #waiting: { readonly bytes: number; start(): void }[] = []

  /** @throws AegisError `PUBSUB_INVALID` */
  constructor({ bytes, whenFull = 'wait' }: PublishLimitOptions) {
    this.#most = checkedBytes(bytes)
    if (whenFull !== 'wait' && whenFull !== 'fail') {
      throw new AegisError(
        'PUBSUB_INVALID',
        `publishLimit.whenFull is ${JSON.stringify(whenFull)}: give 'wait' or 'fail'`,
      )
    }
    this.#whenFull = whenFull
  }

  /** Publishes when there is room. @throws AegisError `PUBLISH_LIMIT` */
  run<T>(topic: string, bytes: number, publish: () => Promise<T>): Promise<T> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) return this.#start(bytes, publish)
    if (this.#whenFull === 'fail') {
      const error = new AegisError(
        'PUBLISH_LIMIT',
        `${this.#bytes} bytes are on their way and the limit is ${this.#most}: topic ${topic} takes this message when some of them are durable`,
        { details: { topic, bytes: this.#bytes, limit: this.#most } },
      )
      return Promise.reject(error)
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, start: () => this.#start(bytes, publish).then(resolve, reject) })
    })
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#most
  }

  #start<T>(bytes: number, publish: () => Promise<T>): Promise<T> {
    this.#bytes += bytes
    const published = publish()
    const done = (): void => {
      this.#bytes -= bytes
      while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.bytes)) this.#waiting.shift()!.start()
    }
    published.then(done, done)
    return published
  }
}

function checkedBytes(bytes: number | string): number {
  try {
    const size = parseSize('publishLimit.bytes', bytes)
    if (size > 0) return size
  } catch {
    // It is told below, as the option that it is.
  }
  throw new AegisError(
    'PUBSUB_INVALID',
    `publishLimit.bytes is ${JSON.stringify(bytes)}: give a whole number of at least 1, or a text such as '16MB'`,
  )
}

const sizeOfPart = (part: Uint8Array | string | null | undefined): number =>
  part === null || part === undefined ? 0 : Buffer.byteLength(part)

export function sizeOfRecord({ key, value, headers = [] }: OutgoingRecord): number {
  let bytes = sizeOfPart(key) + sizeOfPart(value)
  for (const header of headers) bytes += sizeOfPart(header.key) + sizeOfPart(header.value)
  return bytes
}
